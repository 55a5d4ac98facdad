"""The README promises nothing that no test would miss: each of its sentences has its tests here, or promises nothing testable."""

# ruff: noqa: E501 (a promise a line)
import ast
import re
import subprocess
import sys
from pathlib import Path

import nbformat

from labkit.cli import parser
from labkit.judge.check import REQUIREMENTS

TOP = Path(__file__).resolve().parents[1]
README = (TOP / "README.md").read_text(encoding="utf-8")

# A fragment of a sentence, and the tests that fail when it is no longer true: `lab/door::open_lab` is the one test in
# tests/lab/test_door.py whose name begins with test_open_lab.
PROVEN = """
in a private machine | lab/lifecycle::closed_lab_leaves lab/lifecycle::ended_process lab/refused::ordinary_user_with_subordinate
Then you break it on purpose | lab/faults::client_sees lab/works::work_is_judged lab/panel::stopped_backend_fails
| `1_backends` | readme::notebooks_are lab/backends::both_answer lab/traffic::curl_agrees
| `2_dns` | readme::notebooks_are lab/traffic::two_hundred lab/traffic::digs_own_output
| `3_ipvs` | readme::notebooks_are lab/ipvs::hundred_requests lab/ipvs::helper_and_typed
| `4_nginx` | readme::notebooks_are lab/traffic::exactly_seven lab/traffic::every_exchange
| `5_compare` | readme::notebooks_are lab/ipvs::failover_shows lab/ipvs::wrk_counts show/marks::seconds_are_bars
On Debian 12 or later | fresh/fresh::the_two_commands lab_script::installs_what
# sets itself up, runs the notebooks | fresh/fresh::the_two_commands lab/release::all_notebooks
# runs the tests | fresh/fresh::the_two_commands lab_script::installs_what
The first call installs what is missing | lab_script::installs_what lab_script::a_user_without_root fresh/fresh::the_two_commands lab_script::the_environment_of_before packaging::lock_is_complete
later calls start at once | lab_script::installs_what
native commands are as good as the helpers | lab/release::natively_solved lab/backends::what_somebody lab/daemons::what_somebody unit/services/services::service_in_the_table
A page that is there is left | lab/backends::page_that_is_there
No service of those packages | lab_script::a_service_never_starts
a new environment is made beside the old one | lab_script::a_running_program lab_script::the_environment_of_before
Ubuntu has no `user-mode-linux` | lab_script::installs_what unit/machine/doctor::package_that_is_not_offered unit/machine/packages::only_what
the first call also installs a profile | lab_script::ubuntu_gets lab_script::a_user_is_told_the_lines
writes the learner's edition with a README | lab/release::tools_for_teachers lab/release::open_in_the_edition lab/release::edition_says_how
and what would help: `./lab doctor` | unit/machine/doctor::what_would_help lab/refused::what_the_doctor_advises
| `./lab open | readme::each_command unit/author/notebooks::open_becomes lab/release::open_never_serves
| `./lab report | readme::each_command lab/release::all_notebooks lab/release::failing_notebook
| `./lab check | readme::each_command lab/works::work_is_judged unit/writing::check_as_graded
| `./lab hand-in | readme::each_command unit/writing::what_is_judged
| `./lab grade | readme::each_command unit/grading/grade::claims_name lab/hostile::right_report
| `./lab watch | readme::each_command unit/grading/watch::watching_grades
| `./lab unpack | readme::each_command unit/homework/submission::work_comes_back unit/homework/evidence::evidence_is_written
| `./lab release --to DIR` | | readme::each_command unit/author/release::edition_is unit/author/release::edition_does_not_answer
| `./lab shell NAME | readme::each_command lab/shell::shell_is_in_the_lab lab/shell::command_runs_without lab/shell_record::what_is_typed
| `./lab shell --task N | readme::each_command lab/shell_record::task_is_worked_on
| `./lab ps | readme::each_command lab/door::open_lab_is_listed
| `./lab doctor | readme::each_command unit/machine/choose::full_attempt lab/surroundings::read_only_checkout
| `./lab test | readme::each_command
| `./lab bench | readme::each_command readme::bench_gives
A *work* is a folder of native files | lab/works::work_is_judged lab/works::work_as_it_is_typed
It is `~` in the lab | lab/machine::home_is_the_labs_home
The notebooks write it as you go | lab/release::all_notebooks lab/magics::notebook_that_is_run_again unit/recording::script_of_before lab/magics::script_does_what unit/recording::cell_is_a_shell lab/works::work_is_judged
A lab is the machine that you know | lab/known_machine::what_is_typed lab/works::work_as_it_is_typed lab/machine::what_is_typed_with_sudo
as the packages lay them (a fresh copy | unit/machine/folder::etc_is_as lab/machine::what_is_typed
What works when it is typed | lab/known_machine::what_is_typed lab/works::work_as_it_is_typed
`systemctl` there is a stand-in | lab/known_machine::what_is_typed lab/works::work_as_it_is_typed
`systemd-run`, `ifup` and systemd-networkd | lab/known_machine::what_is_typed lab/works::work_as_it_is_typed
A script is run by bash as it was typed | unit/judge/bench::shell_of_a_script lab/typed::script_for_sh lab/typed::what_stays lab/typed::server_on_the_last
No verdict rests on what a configuration says | lab/works::work_is_judged lab/works::work_as_it_is_typed
A check starts from a fresh lab | lab/works::work_is_left lab/works::work_is_judged lab/works::work_as_it_is_typed
Every verdict names the requirement | unit/judge/verdict::json_has lab/works::work_is_judged
The answer to question 2.3 | unit/judge/verdict::only_what_passed
Each notebook but the last has a live panel | readme::notebooks_are lab/jupyterlab::other_faults lab/jupyterlab::backend_is lab/panel::nginx_panel lab/panel::ipvs_panel lab/panel::dns_panel
In code: `Faults(pool).freeze("backend2")` | lab/faults::client_sees lab/faults::lab_closes_with_a_frozen
Every fault shows the native command | lab/faults::faults_are_shown lab/faults::shown_commands
Sending ends with Stop | lab/panel::stop_and lab/panel::interrupt_between lab/panel::panel_ends_with_its_lab lab/jupyterlab::closed_tab lab/panel::panel_sleeps
opens a root shell in it | lab/jupyterlab::terminal_of lab/shell::shell_is_in_the_lab lab/shell::size_follows lab/shell::jobs_go lab/shell::colours
`exit` leaves it, and the lab runs on | lab/shell::shell_is_in_the_lab
is kept with `--record` alone | lab/shell::shell_is_in_the_lab lab/shell_record::what_is_typed
With `--record` the terminal is | lab/shell_record::task_typed_in_two lab/shell_record::what_is_typed unit/recording::words_of
Servers may stay in the foreground | lab/shell_record::task_typed_in_two unit/recording::entries
An editor's line becomes a comment | lab/shell_record::what_an_editor unit/recording::entries
A line that begins with a space | lab/shell_record::what_is_typed unit/recording::entries
`terminal_button()` in a notebook opens | lab/jupyterlab::terminal_of_jupyterlab lab/shell_record::task_is_worked_on
Only the user who opened a lab can enter it | lab/door::door_is_this_users unit/door/place::door_of_another_user lab/shell::lab_for_the
`submission.html` opens anywhere | lab/report_page::page_asks_nobody unit/writing::what_is_judged
Inside it is the work itself as JSON | unit/homework/submission::work_comes_back unit/writing::what_is_judged
says where the report claims something else | unit/grading/grade::claims_name lab/hostile::right_report
are shown as a pair, and | unit/grading/similar::white_space unit/grading/grade::copies_are_a_pair unit/grading/likeness::disguised_copy unit/grading/likeness::shared_parts
That is a reason to look | unit/grading/likeness::honest_right unit/grading/likeness::disguised_copy unit/grading/likeness::what_most
FILE may be a folder or a pattern | unit/grading/grade::folder_and_pattern
writes a page for each work and `index.html` | unit/grading/feedback::what_is_missed unit/grading/feedback::points_are_spread unit/grading/feedback::list_leads unit/writing::batch_goes_on unit/grading/feedback::all_answers_stand
Answers in nearly the same words | unit/grading/likeness::answers_in_nearly unit/grading/likeness::difference_of lab/report_page::points_of_a_group
`--moodle worksheet.csv` writes | unit/grading/gradebook::worksheet_of_moodle unit/grading/gradebook::gradebook_of_canvas unit/writing::gradebook_is_looked
Learners are matched by the numbers | unit/grading/gradebook::worksheet_of_moodle unit/grading/gradebook::gradebook_of_canvas unit/grading/gradebook::export_of_moodles unit/grading/gradebook::without_an_export
A team's grade goes to | unit/grading/gradebook::teams_grade unit/grading/gradebook::number_of
Who is not matched | unit/grading/gradebook::teams_grade unit/grading/gradebook::no_grade_that unit/grading/gradebook::worksheet_of_moodle
Points are brought to the maximum | unit/grading/gradebook::worksheet_of_another unit/grading/gradebook::gradebook_of_canvas
Give Moodle `moodle.csv` first | unit/grading/gradebook::worksheet_of_moodle
`moodle-feedback.zip` and | unit/grading/gradebook::without_an_export unit/grading/feedback::page_says
Points that you give stand in `by_hand.csv` | unit/grading/by_hand::line_says unit/writing::batch_goes_on
`answers.html` saves one | lab/report_page::points_of_answers
2.3 are added, those for another requirement | unit/grading/by_hand::what_is_given unit/grading/by_hand::bad_line_is
Each run reads it | unit/writing::batch_goes_on
writes is UTF-8 with commas | unit/grading/grade::table_holds_no_formula
An interrupted batch goes on | unit/grading/grade::interrupted_batch unit/writing::batch_goes_on unit/grading/grade::one_task_of_all
`--on tcp://HOST:8786` has the works judged | unit/grading/farm::works_of_lost lab/farm::works_of_workers unit/grading/farm::jobs_and unit/grading/farm::workers_may
They have to be of the same image | unit/grading/farm::worker_that_judges
The work of a worker that dies or freezes | unit/grading/farm::works_of_lost unit/grading/farm::work_that_ends lab/farm::works_of_workers
Ctrl-C ends the labs there too | lab/farm::interrupt_ends
A work goes there as bytes | unit/grading/farm::only_what unit/grading/farm::bad_answer
With `--on tls://…` the scheduler | unit/grading/farm::works_are_judged_behind
Kubernetes and Slurm: | image/kubernetes::what_dask image/kubernetes::slurm
goes on as long as you let it | unit/grading/watch::reports_are_told unit/grading/watch::watching_grades
Interrupted, the same command goes on from there | unit/grading/watch::watching_grades unit/grading/watch::reports_are_told
FILE may also be a course's export | unit/grading/grade::export_of_a_course
is never a grade | unit/grading/grade::fault_of_the_machine lab/grading::guest_that_is_killed lab/grading::shortage_that_a_work unit/judge/check::words_of_a_shortage_in_a_guest unit/judge/check::missing_program unit/judge/check::shortage unit/grading/grade::full_disk
is said before grading begins | unit/writing::bad_path
Digests show which file | unit/homework/submission::edited_piece unit/homework/submission::every_edit
Its commands run only on User-Mode Linux that | lab/machine::work_of_others lab/refused::hostile_works lab/refused::namespaces_and lab/hostile::hostile_work unit/machine/view::cell_writes_only
What it leaves in the background | lab/works::what_a_script_leaves lab/hostile_points::work_is_not
Nothing that it writes is ever loaded as code | lab/hostile_points::work_is_not unit/machine/view::rules_that
A program counts by the system's file | lab/hostile_points::work_is_not
The pages in the answers must be | lab/hostile_points::work_is_not
Nothing of it is imported or rendered | lab/hostile::hostile_work unit/grading/feedback::markup unit/grading/feedback::markup_of
tshark reads its capture without | lab/landlock::reader_of unit/measure/capture::capture_of_strangers
Linux that can do what the notebook needs | unit/machine/choose::first_that unit/machine/choose::probe_says unit/machine/choose::candidates_come
| bubblewrap + the running kernel | lab/machine::candidate_opens kernels/kernels::course_on
Seen on Debian's kernels | kernels/kernels::course_on
Seen with Debian 12's | fresh/fresh::the_two_commands lab/machine::candidate_opens
Seen on Debian 12 and 13 | fresh/fresh::the_two_commands lab/machine::candidate_opens
Seen on 6.18, in Docker's | image/image::doctor lab/machine::candidate_opens
| bubblewrap + User-Mode Linux (`uml`) | lab/machine::candidate_opens lab/machine::user_mode_linux_has lab/refused::running_kernel_has
| Landlock + User-Mode Linux | lab/machine::candidate_opens lab/refused::user_namespaces_forbidden lab/refused::seccomp_filter
From Linux 5.13 on | unit/machine/choose::candidates_come
| User-Mode Linux alone | lab/refused::namespaces_and
Landlock asks for no privilege | lab/refused::seccomp_filter lab/landlock::guest_of_strangers lab/landlock::guest_that_has
Root in the guest, who may mount | lab/landlock::guests_root lab/landlock::guest_that_has lab/landlock::each_attack
in your own labs, not in those | lab/landlock::guest_that_has
IPVS needs neither root nor `modprobe` | kernels/kernels::course_on kernels/kernels::smoke
Of the two ways to speak to IPVS | lab/ipvs::generic_netlink unit/machine/seccomp::generic_netlink_alone
What only netlink can do is refused | lab/ipvs::ipv6_is_for
A kernel without one of the schedulers | unit/machine/choose::kernel_without
forces one | unit/machine/choose::candidates_come
In the lab you are root | lab/machine::candidate_opens lab/machine::home_is lab/lifecycle::ports_taken lab/machine::hosts_home
When the notebook's kernel ends | lab/lifecycle::ended_process lab/lifecycle::lab_of_the_same lab/learner_browser::notebook_that_is_run_twice
User-Mode Linux is kept on one processor | lab/machine::user_mode_linux_has
need their line in `/etc/subuid` | lab/refused::ordinary_user_with_sub lab/refused::ordinary_user_without lab/refused::what_the_doctor
`pip install .` brings | packaging::wheel_has_all
In an empty folder `labkit open` | packaging::installed_labkit
**conda** | packaging::environment_yml
**Docker** | readme::files_that packaging::only_apt_txt
The image holds the learner's edition | packaging::image_of_learners image/image::image_is_small
It runs as an ordinary user, or as any | image/image::doctor image/image::all_five
Landlock carries the labs in it | image/image::doctor image/image::works_of_others
A lab's memory is a file | lab/refused::seccomp_filter lab/refused::no_folder
**A hub** for a class | image/hub::three_learners image/kubernetes::pod_is
**Binder** takes the same | packaging::image_of_learners
Its `repo2docker` builds | image/binder::repo2docker_starts
`labkit/` is layered one way | packaging::layers_import
The contracts of import-linter | packaging::layers_import
The learner's: `lab.py` | packaging::layers_import
The course's: `judge/` | packaging::layers_import
The teacher's: `grading/` | packaging::layers_import
A requirement, its points and its check | unit/judge/verdict::points_of
Then come works that must pass | lab/works::table_is
A new one is about ten lines | lab/works::example_of_the_readme
a Unix socket for each | lab/door::door_is_this_users
the tests and their last results in | readme::files_that
To refresh the notebooks' outputs | lab/release::all_notebooks lab/release::committed
"""
# Times of one machine, limits, advice, and what was not tried.
UNTESTED = """What grading does not hold; One that counts failures in it; In task 1 a Python program that answers; Whoever reaches the scheduler; Unpack its download with; A Moodle 4.5 has taken; It takes two to four minutes; Twenty works take; What that proves; What it does not prove; somebody who edits it with labkit's own code
A submission is not trusted.; Before Linux 6.12 whoever; Such a one could also; The guest's kernel is as old; A lab is a *view*; there it runs about three times as fast; That of Debian 13 and later; What this isolation is for; It shares the kernel
The system packages still; conda-forge was not reachable; By hand also on; Not run on an Ubuntu itself; Not tried for want; **Windows**; **macOS**; `pre-commit install` lets; A task's points are the sum; A new task has a module; BSD-3-Clause."""
ROWS = [tuple(line.rsplit(" | ", 1)) for line in PROVEN.strip().splitlines()]


def sentences(text: str) -> list[str]:
    """Return the sentences of a page: of its paragraphs and lists, the rows of its tables, the lines of its commands."""
    text = re.sub(r"^```python$.*?^```$", "", text, flags=re.M | re.S)  # lab/works::example_of_the_readme
    text = re.sub(r"^(#|!\[|```$).*$|^\|.*\n(?=\|-)|^\|[-|]+$", "", text, flags=re.M)
    parts = re.split(r"\n\s*\n|\n(?=[|-]|\./lab)", text)
    return [one for part in parts for one in re.split(r"(?<=[.!?])\s+(?=[A-Z`*])", " ".join(part.split())) if one]


def test_every_sentence_is_looked_at() -> None:
    """Each sentence has a fragment in one of the two tables, and each fragment stands in one sentence (`Not tried.` in more)."""
    page = sentences(README)
    fragments = [fragment for fragment, _ in ROWS] + re.split("; |\n", UNTESTED)
    assert [one for one in page if not any(fragment in one for fragment in fragments)] == []
    assert [each for each in fragments if sum(each in one for one in page) != 1 and each != "Not tried."] == []


def test_what_proves_it_is_there() -> None:
    """Each name in the table is the beginning of one test's."""
    names = {each for _, names in ROWS for each in names.split()}
    files = {file: names_in(file) for file in {name.partition("::")[0] for name in names}}
    found = {name: [test for test in files[name.partition("::")[0]] if test.startswith(name)] for name in names}
    assert {name: tests for name, tests in found.items() if len(tests) != 1} == {}


def names_in(file: str) -> list[str]:
    """Return the tests of a file, in the table's words."""
    folder, _, stem = file.rpartition("/")
    tree = ast.parse((TOP / "tests" / folder / f"test_{stem}.py").read_text(encoding="utf-8"))
    return [f"{file}::{node.name.removeprefix('test_')}" for node in tree.body if isinstance(node, ast.FunctionDef)]


def test_notebooks_are_those_of_the_table() -> None:
    """Each has its row with the points that its requirements give; all but the last have a panel."""
    rows = re.findall(r"^\| `(\d_\w+)` .* (\d+|–) \|$", README, re.M)
    given = [sum(one.points for one in REQUIREMENTS.values() if one.task == task) for task in range(1, 6)]
    assert rows == [(path.stem, str(points or "–")) for path, points in zip(notebooks(), given, strict=True)]
    cells = [[cell.source for cell in nbformat.read(path, as_version=4).cells] for path in notebooks()]
    assert [any(re.search(r"^panel\(", text, re.M) for text in texts) for texts in cells] == [True] * 4 + [False]


def notebooks() -> list[Path]:
    """The committed notebooks."""
    return sorted((TOP / "notebooks").glob("[0-9]_*.ipynb"))


def test_each_command_has_what_it_is_shown_with() -> None:
    """Each option in the table of commands is one of its command's, which has a row; each command of labkit's has one."""
    shown = [call for row in re.findall(r"^\| (`\./lab .*)\|", README, re.M) for call in re.findall(r"`\./lab ([^`]*)`", row)]
    (kinds,) = (action.choices for action in parser()._actions if action.dest == "what")
    assert {call.split()[0] for call in shown} == {*kinds, "test", "bench"}
    for call in shown:
        name = call.split()[0]
        script = {"test": "run.py", "bench": "bench/run.py"}.get(name, "")
        run = [sys.executable, TOP / "tests" / script, "--help"]
        words = subprocess.run(run, capture_output=True, text=True, check=True).stdout if script else kinds[name].format_help()
        assert [each for each in re.findall(r"--[a-z-]+|\b[A-Z]{3,}\b", call) if each not in words] == [], call


def test_files_that_are_named_are_there() -> None:
    """Each picture, each page of the repository that is linked to and each file that a command takes is in the checkout."""
    names = re.findall(r"\]\((?!https:)([^)]*)\)|-f (\S+\b)", README)
    assert len(names) > 5 and [name for pair in names for name in pair if name and not (TOP / name).is_file()] == []


def test_bench_gives_ratios_of_medians_measured_in_turn() -> None:
    """One slow round counts no more than another, and what is compared takes turns in one run; an unknown part is refused."""
    script = (
        "from table import *; said = []; in_turn(1, lambda: said.append('ours'), lambda: said.append('theirs'))\n"
        "print(at_most('what', [1, 2, 90], 'other', [4, 4, 1], 's', 0.5).result, *said)"
    )
    bench = {"cwd": TOP / "tests" / "bench", "capture_output": True, "text": True}
    assert subprocess.run([sys.executable, "-c", script], **bench).stdout == "0.50 ours theirs ours theirs\n"
    assert "no part nonsense; there are opening" in subprocess.run([sys.executable, "run.py", "nonsense"], **bench).stderr
