"""The pages in `docs/runbook/`: written from the code that runs, so that the document and the program can't disagree.

In the order and the words of the document's chapters. Nothing that the code knows is typed here a second time: names, limits, steps, undos and rights are
read from where they count.
"""
