"""The rest of the same contract where Barman keeps base backups and the log: it takes longer than `make test` may, for each look asks Barman itself."""

from __future__ import annotations

import pytest

from tests.contract.recovery.barman import NEEDS_BARMAN
from tests.contract.recovery.test_barman import shared  # noqa: F401 - the primary, of this file's own
from tests.contract.recovery.test_recovery import (  # noqa: F401 - the contract that both keep
    test_a_broken_base_backup_is_not_recovered_from,
    test_a_moment_after_which_nothing_was_committed_can_be_recovered_to,
    test_a_recovered_server_is_one_to_look_into_and_its_life_is_not_in_the_log,
    test_a_table_that_a_migration_dropped_among_others_is_found,
    test_a_table_that_stands_was_not_dropped,
    test_a_table_that_was_written_anew_before_it_was_dropped_is_followed,
    test_everything_is_there_at_the_end,
    test_the_folders_alone_are_enough,
    test_the_last_row_that_was_acknowledged_before_a_moment_is_there_and_the_next_is_not,
    test_times_are_the_servers_own_whatever_ours_says,
    test_what_was_changed_cut_off_or_added_in_a_base_backup_is_found,
    test_what_was_committed_before_a_transaction_is_there_and_itself_not,
)

pytestmark = [pytest.mark.stack, pytest.mark.campaign, NEEDS_BARMAN]

from tests.contract.recovery.test_recovery import test_a_hole_in_the_log_is_seen_and_no_window_goes_over_it  # noqa: E402, F401 - the last test of the file
