#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every test and counts them. Called by ./check, which installs what is needed first.

Each step is a function that yields (name, outcome, detail), outcome one of passed, failed, skipped.
A step that cannot even build counts as one failed test. Two cores are enough: of what runs side by
side (SIDE_BY_SIDE) most waits.
"""
import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Sanitizers at -O2 -g take gcc twice as long, and find nothing more. -g1 has line numbers.
QUICK_TO_BUILD = ("-Doptimization=1", "-Ddebug=false", "-Dc_args=-g1")
FUZZ_SECONDS = int(os.environ.get("FUZZ_SECONDS", "60"))
# How many at a time; of fuzzers so many that the whole stays within a coffee break.
SIDE_BY_SIDE = {"unit": 3, "fuzz": 34, "pytest": 3}
# What was compiled before, by a clone in any folder, is not compiled again. What was not is not
# preprocessed on its own: that took half as long again.
CCACHE = {"CCACHE_BASEDIR": str(ROOT), "CCACHE_NOHASHDIR": "1", "CCACHE_DEPEND": "1"}
# Crash images are opened by the thousand without sanitizers (tests/crash/test_images.py).
ASAN = {
    "MK_CRASH_IMAGES": "160",
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
    "CMOCKA_MESSAGE_OUTPUT": "TAP",
    "MK_TEST_DATA": str(ROOT / "tests" / "data"),
}


def run(command, timeout=900, env=None, cwd=ROOT):
    """Runs a command in a process group of its own; returns (exit status, output)."""
    with subprocess.Popen([str(c) for c in command], cwd=cwd, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace",
                          env={**os.environ, **(env or {})}, start_new_session=True) as process:
        try:
            out, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            out, _ = process.communicate()
            return 124, out + f"\n(stopped after {timeout} s)"
        return process.returncode, out


def tail(text, lines=40):
    return "\n".join(text.splitlines()[-lines:])


def build(folder, *options, compiler="gcc", targets=lambda folder: ()):
    """Returns None, or what the build said. targets: those of a folder that is set up; none is all."""
    path = ROOT / folder
    # A hundred programs are linked with the whole library: lld takes a third of ld's time.
    env = {"CC": f"ccache {compiler}", **CCACHE}
    if "--buildtype=release" not in options:
        env["CC_LD"] = "lld"
    if not (path / "build.ninja").exists():
        status, out = run(["meson", "setup", path, *options], env=env)
        if status:
            return out
    status, out = run(["ninja", "-C", path, *targets(folder)], env=env, timeout=1800)
    return out if status else None


def tools():
    for tool in sorted((ROOT / "tools").glob("check_*")):
        status, out = run([tool])
        yield tool.name, "failed" if status else "passed", tail(out)


def tap(name, out, status):
    """Counts the tests of one cmocka program."""
    seen = 0
    for line in out.splitlines():
        match = re.match(r"(not ok|ok) \d+ - (\S+)(.*)", line)
        if match:
            seen += 1
            skipped = "# SKIP" in match[3].upper()
            ok = match[1] == "ok"
            yield f"{name}: {match[2]}", "skipped" if skipped else "passed" if ok else "failed", \
                "" if ok else tail(out)
    if status or not seen:
        yield f"{name}: ends cleanly", "failed", f"exit status {status}\n{tail(out)}"


def unit_programs(folder):
    text = subprocess.run(["meson", "introspect", "--tests", str(ROOT / folder)], check=True,
                          capture_output=True, text=True).stdout
    return [(t["name"], t["cmd"], t["suite"], t["protocol"], t["timeout"]) for t in json.loads(text)]


def whole(name, out, status):
    """A program that is one test: its exit status counts, its last line says what it did."""
    yield name, "failed" if status else "passed", tail(out) if status else tail(out, 1)


def timed(command, timeout, env):
    started = time.monotonic()
    return *run(command, timeout, env), time.monotonic() - started


def tell_slowest(seconds, most=8):
    """Where the time of a step goes: who makes ./check quicker looks here first."""
    slowest = sorted(seconds.items(), key=lambda x: -x[1])[:most]
    print("   slowest: " + ", ".join(f"{name} {s:.0f} s" for name, s in slowest), flush=True)


def run_units(folder, label, wanted=lambda suites: True):
    seconds = {}
    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE["unit"]) as pool:
        jobs = [(name, protocol, pool.submit(timed, command, max(timeout, 600), ASAN))
                for name, command, suites, protocol, timeout
                in sorted(unit_programs(folder), key=lambda p: "crash-engine" != p[0])
                if wanted(suites)]  # what takes longest does not begin last
        for name, protocol, job in jobs:
            status, out, seconds[name] = job.result()
            count = tap if protocol == "tap" else whole
            yield from count(f"{label} {name}", out, status)
    tell_slowest(seconds)


def build_clang():
    """One build for the unit tests and the fuzzers: what they look for is the same."""
    return build("build-check-clang", "-Dfuzz=true", "-Dwitness=true", "-Dshared=true",
                 "-Db_sanitize=address,undefined", "-Db_lundef=false", "-Doptimization=1",
                 "-Ddebug=false", "-Dc_args=-fsanitize=fuzzer-no-link -g1", compiler="clang")


def unit():
    problem = build_clang()
    if problem:
        yield "build with clang, ASan, UBSan and fuzzers", "failed", tail(problem)
        return
    yield "build with clang, ASan, UBSan and fuzzers", "passed", ""
    yield from run_units("build-check-clang", "unit")


def is_threaded(suites):
    return any("threads" in s for s in suites)


def threaded(folder):
    """The programs of the tests that have threads."""
    return [os.path.relpath(command[0], ROOT / folder)
            for _, command, suites, _, _ in unit_programs(folder) if is_threaded(suites)]


def programs(folder):
    """All that is built but the unit tests: what tests from outside run."""
    text = subprocess.run(["meson", "introspect", "--targets", str(ROOT / folder)], check=True,
                          capture_output=True, text=True).stdout
    return [os.path.relpath(t["filename"][0], ROOT / folder) for t in json.loads(text)
            if t["type"] == "executable" and not t["name"].startswith("test-")]


def gcc_reads(folder):
    """What gcc has not compiled here, the tests without threads, it reads for its warnings."""
    commands = json.loads((ROOT / folder / "compile_commands.json").read_text())
    left = [c for c in commands if not (ROOT / folder / c["output"]).exists()]

    def read(c):
        words = shlex.split(c["command"])
        return run([*words[:words.index("-o")], "-fsyntax-only", c["file"]], cwd=c["directory"])

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        bad = [out for status, out in pool.map(read, left) if status or out]
    yield f"gcc warns of nothing in {len(left)} more files", "failed" if bad else "passed", \
        tail("".join(bad))


def threads():
    problem = build("build-check-tsan", "-Db_sanitize=thread", "-Dwitness=true", "-Dshared=true",
                    *QUICK_TO_BUILD, targets=threaded)
    if problem:
        yield "build with gcc and TSan", "failed", tail(problem)
        return
    yield "build with gcc and TSan", "passed", ""
    yield from gcc_reads("build-check-tsan")
    yield from run_units("build-check-tsan", "tsan", is_threaded)


def finding(out, status):
    """What a fuzzer found, without the lines of its search before it."""
    lines = out.splitlines()
    at = next((i for i, line in enumerate(lines) if "ERROR: " in line or "runtime error" in line),
              len(lines))
    return f"exit status {status}\n" + "\n".join(lines[max(at - 3, 0):at + 60])


def fuzz_one(program):
    name = program.name.removeprefix("fuzz-")
    corpus = ROOT / "build-check-clang" / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    command = [program, f"-max_total_time={FUZZ_SECONDS}", "-timeout=20", "-rss_limit_mb=2048",
               "-print_final_stats=1", f"-artifact_prefix={corpus.parent}/{name}-", corpus]
    seeds = ROOT / "tests" / "fuzz" / "seeds" / name
    if seeds.is_dir():
        command.append(seeds)
    words = ROOT / "tests" / "fuzz" / f"{name}.dict"
    if words.exists():
        command.append(f"-dict={words}")
    status, out = run(command, timeout=FUZZ_SECONDS + 120, env=ASAN)
    done = re.search(r"number_of_executed_units:\s*(\d+)", out)
    executions = int(done[1]) if done else 0
    if status or not executions:
        return f"fuzz {name}", "failed", finding(out, status)
    return f"fuzz {name}", "passed", f"{executions} inputs"


def fuzz():
    programs = sorted(p for p in (ROOT / "build-check-clang" / "tests").glob("fuzz-*")
                      if p.is_file() and os.access(p, os.X_OK))
    if not programs:
        yield "fuzz targets are built", "failed", ""
    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE["fuzz"]) as pool:
        yield from pool.map(fuzz_one, programs)


def pytest():
    problem = build("build", "--buildtype=release", targets=programs)
    if problem:
        yield "release build", "failed", tail(problem)
        return
    yield "release build", "passed", ""
    report = ROOT / "build" / "pytest.xml"
    report.unlink(missing_ok=True)
    # crash first: two of its files take a minute and a half each, and would be waited for at the end.
    folders = [f for f in ("crash", "protocol", "cli", "e2e", "interop", "network", "sandbox", "oracle")
               if any((ROOT / "tests" / f).glob("test_*.py"))]
    # Most of a test's time is somebody's wait; a file's tests share a server, so they stay together.
    status, out = run(["/usr/bin/python3", "-m", "pytest", "-q", "-x" if "-x" in sys.argv else "-q",
                       "-n", str(SIDE_BY_SIDE["pytest"]), "--dist", "loadfile",
                       "-p", "no:cacheprovider", f"--junit-xml={report}",
                       *[ROOT / "tests" / f for f in folders]], timeout=2400,
                      env={"MAILKEEP": str(ROOT / "build" / "mailkeep"),
                           "MAILKEEP_ASAN": str(ROOT / "build-check-clang" / "mailkeep"),
                           "MAILKEEP_BUILD": str(ROOT / "build")})
    if not report.exists():
        yield "pytest", "failed", tail(out)
        return
    seconds = collections.Counter()
    for case in xml.etree.ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('classname')}: {case.get('name')}"
        seconds[case.get("classname").removeprefix("tests.")] += float(case.get("time", 0))
        bad = [c for c in case if c.tag in ("failure", "error")]
        skip = [c for c in case if c.tag == "skipped"]
        if bad:
            yield name, "failed", tail(bad[0].text or bad[0].get("message") or "")
        elif skip:
            yield name, "skipped", skip[0].get("message") or ""
        else:
            yield name, "passed", ""
    tell_slowest(seconds, 12)
    if status not in (0, 1):
        yield "pytest ends cleanly", "failed", tail(out)


STEPS = [("tools", tools), ("unit", unit), ("threads", threads), ("fuzz", fuzz), ("pytest", pytest)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="no fuzzers, short rounds")
    parser.add_argument("--list", action="store_true", help="show the steps and stop")
    parser.add_argument("--only", help="comma-separated names of steps")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(name for name, _ in STEPS))
        return 0
    wanted = arguments.only.split(",") if arguments.only else [
        name for name, _ in STEPS if not (arguments.quick and name == "fuzz")]
    if arguments.quick:
        os.environ["MK_QUICK"] = "1"
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    failures = []
    for name, step in STEPS:
        if name not in wanted:
            continue
        started = time.monotonic()
        print(f"== {name}", flush=True)
        before = dict(counts)
        for test, outcome, detail in step():
            counts[outcome] += 1
            if outcome == "failed":
                failures.append(f"FAILED  {test}\n{tail(detail, 12)}")
                print(f"FAILED  {test}\n{detail}\n", flush=True)
            elif outcome == "skipped":
                print(f"skipped {test}: {detail}", flush=True)
            elif name in ("fuzz", "tools"):
                print(f"passed  {test}  {detail.splitlines()[-1] if detail else ''}", flush=True)
        print(f"   {counts['passed'] - before['passed']} passed, "
              f"{counts['failed'] - before['failed']} failed "
              f"in {time.monotonic() - started:.0f} s", flush=True)
    # Again at the end, where whoever kept only the last lines has them.
    for failure in failures:
        print(failure)
    print(f"{counts['passed']} passed, {counts['failed']} failed"
          + (f", {counts['skipped']} skipped" if counts["skipped"] else ""))
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
