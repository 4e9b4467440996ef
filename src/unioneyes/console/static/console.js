// Charts of both colours, the keys, and whether the server still answers. Everything else is HTML that htmx fetches.
"use strict";

const SECONDS = 180;
const SHOWN_FIGURES = 12;
const COLOURS = ["blue", "green"];
const CHARTS = {
  requests: { column: "requests_per_s", show: (value) => `${value.toFixed(1)}/s`, tell: (value) => `${value.toFixed(1)} requests/s`, floor: 5 },
  errors: { column: "error_rate", scale: 100, show: (value) => `${value.toFixed(2)} %`, tell: (value) => (value === 0 ? "none failed" : `${value.toFixed(2)} % failed`), floor: 1 },
  p99: { column: "p99_ms", show: (value) => `${value.toFixed(0)} ms`, tell: (value) => `${value.toFixed(0)} ms`, floor: 50 },
};

function clock(second) {
  return new Date(second * 1000).toISOString().slice(11, 19);
}

function linkIs(tone, text) {
  const link = document.getElementById("link");
  if (link) {
    link.className = `status tone-${tone}`;
    link.textContent = text;
  }
}

// light-dark() only resolves on an element, so the charts ask one for each colour.
function resolved(name) {
  const probe = document.body.appendChild(document.createElement("i"));
  probe.className = `probe-${name}`;
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

class Chart {
  constructor(figure) {
    this.figure = figure;
    this.kind = CHARTS[figure.dataset.chart];
    this.place = figure.querySelector(".plot");
    this.data = [[], [], []];
    this.answered = [[], []];
    this.draw();
    new ResizeObserver(() => this.plot.setSize(this.size())).observe(this.place);
  }

  size() {
    return { width: Math.max(160, this.place.clientWidth), height: 130 };
  }

  draw() {
    this.plot?.destroy();
    const axis = { stroke: resolved("soft"), grid: { stroke: resolved("line"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
    this.plot = new uPlot({
      ...this.size(),
      cursor: { y: false },
      legend: { show: false },
      scales: { y: { range: (_, low, high) => [0, Math.max(this.kind.floor, (high ?? 0) * 1.1)] } },
      axes: [{ ...axis, space: 70, size: 26, values: (_, at) => at.map(clock) }, { ...axis, size: 44 }],
      series: [
        {},
        { label: "blue", stroke: resolved("blue"), width: 2, points: { show: false } },
        { label: "green", stroke: resolved("green"), width: 2, dash: [6, 3], points: { show: false } }, // told apart without colour
      ],
    }, this.data, this.place);
  }

  show(seconds) {
    const scaled = (values) => values.map((value) => (value === null ? null : value * (this.kind.scale ?? 1)));
    this.data = [seconds.at, ...COLOURS.map((colour) => scaled(seconds[colour][this.kind.column]))];
    this.answered = COLOURS.map((colour) => seconds[colour].requests_per_s);
    this.plot.setData(this.data);
    this.figure.querySelector(".sentence").textContent = this.sentence();
    this.figure.querySelector(".figures tbody").replaceChildren(...this.rows());
  }

  sentence() {
    const told = COLOURS.map((colour, at) => `${colour}: ${this.said(at, this.data[0].length - 1, this.kind.tell)}`);
    return `${told.join("; ")}.`;
  }

  // No data is not zero, and no answers are neither.
  said(colour, second, show) {
    const value = this.data[colour + 1][second] ?? null;
    if (value !== null) return show(value);
    return (this.answered[colour][second] ?? null) === null ? "no data" : "no answers";
  }

  rows() {
    const cell = (text, numeric) => {
      const made = document.createElement("td");
      made.textContent = text;
      if (numeric) made.className = "num";
      return made;
    };
    return this.data[0].map((second, index) => {
      const row = document.createElement("tr");
      row.append(cell(clock(second)), ...COLOURS.map((_, colour) => cell(this.said(colour, index, this.kind.show), true)));
      return row;
    }).slice(-SHOWN_FIGURES).reverse();
  }
}

function drawCharts() {
  const charts = [...document.querySelectorAll("[data-chart]")].map((figure) => new Chart(figure));
  if (charts.length === 0) return;
  const ask = async () => {
    if (!document.hidden) {
      try {
        const answer = await fetch(`/api/v1/traffic?last=${SECONDS}`, { signal: AbortSignal.timeout(5000) });
        if (answer.status === 401) location.assign("/login");
        if (answer.ok) {
          const report = await answer.json();
          charts.forEach((chart) => chart.show(report.seconds));
          linkIs("good", "● live");
        }
      } catch {
        linkIs("bad", "✘ the server does not answer");
      }
    }
    setTimeout(ask, 1000);
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.forEach((chart) => chart.draw()));
  ask();
}

function listenToKeys() {
  const places = { d: "/", r: "/runs", a: "/approvals" };
  let afterG = false;
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("input, textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "?") document.getElementById("keys").showModal();
    else if (afterG && places[event.key]) location.assign(places[event.key]);
    afterG = event.key === "g";
  });
}

// A refusal that is told in the fragment's own place is shown there, and is no broken page.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.getResponseHeader("UE-Told") !== null) {
    event.detail.shouldSwap = true;
    event.detail.isError = false;
  }
});
document.addEventListener("htmx:sendError", () => linkIs("bad", "✘ the server does not answer"));
document.addEventListener("htmx:afterRequest", (event) => event.detail.successful && linkIs("good", "● live"));
if (!document.querySelector("[hx-trigger], [data-chart]")) linkIs("quiet", ""); // nothing on this page changes any more
drawCharts();
listenToKeys();
