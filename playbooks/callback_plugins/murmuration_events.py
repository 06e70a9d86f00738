"""One JSON object a line on stdout for everything that a playbook does.

The runner (services/dcmanager/src/work/playbooks) reads these lines and nothing else, so no text made for people is ever parsed.
The plugin also guards the run itself: it holds a lock, so that two playbooks never work on one subcloud, and it ends the whole
process group when nobody reads its lines any more, because a run whose manager died would otherwise go on beside its successor.
"""

import fcntl
import json
import os
import select
import signal
import sys
import threading
import time

from ansible.errors import AnsibleError
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: murmuration_events
type: stdout
short_description: JSON lines for the playbook runner
description: Events of plays and tasks with structured errors.
"""

TAIL = 2000


def tail(value):
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text[-TAIL:]


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "murmuration_events"

    def __init__(self):
        super().__init__()
        self.began = {}
        self.count = 0
        # Handed on to the forked workers and closed on exec: held until the last of them is gone.
        self.held = self.lock(os.environ.get("PLAYBOOK_RUN_LOCK"))
        threading.Thread(target=self.watch_reader, daemon=True).start()

    def lock(self, path, patience=60):
        if not path:
            return None
        held = open(path, "a")
        for _ in range(patience * 10):
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return held
            except BlockingIOError:
                time.sleep(0.1)
        raise AnsibleError("another playbook still works on this subcloud: it did not end within %d seconds" % patience)

    def watch_reader(self):
        poller = select.poll()
        poller.register(1, 0)
        while not any(happened & (select.POLLERR | select.POLLHUP) for _, happened in poller.poll(1000)):
            pass
        os.killpg(0, signal.SIGTERM)
        time.sleep(5)
        os.killpg(0, signal.SIGKILL)

    def emit(self, event, **fields):
        sys.stdout.write(json.dumps({"event": event, **fields}, default=str) + "\n")
        sys.stdout.flush()

    def outputs(self, cause):
        """What the task's program, the module or the other side of an HTTP exchange said."""
        said = {
            "stdout": cause.get("stdout") or cause.get("module_stdout") or cause.get("content"),
            "stderr": cause.get("stderr") or cause.get("module_stderr"),
        }
        return {name: tail(text) for name, text in said.items() if text}

    def outcome(self, event, result, **fields):
        # Ansible hands over a copy in which everything secret (no_log) is replaced already.
        values = result._result
        if event in ("failed", "unreachable"):
            items = [item for item in values.get("results") or [] if isinstance(item, dict) and item.get("failed")]
            cause = items[0] if items else values
            fields["error"] = {
                "msg": tail(cause.get("msg") or values.get("msg") or values.get("censored") or "no reason was given"),
                **({"rc": cause["rc"]} if isinstance(cause.get("rc"), int) else {}),
                **self.outputs(cause),
            }
        started = self.began.get(result._task._uuid, time.monotonic())
        self.emit(
            event,
            host=result._host.get_name(),
            task=result._task.get_name().strip(),
            durationMs=round((time.monotonic() - started) * 1000),
            **fields,
        )

    def keep(self, told):
        """What a playbook tells the manager (set_stats), each in a file NAME.json in the folder of its run."""
        for name, document in told.items():
            with open(os.open("%s.json" % os.path.basename(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump(document, file, default=str)

    def task_starts(self, task, **fields):
        self.count += 1
        self.began[task._uuid] = time.monotonic()
        self.emit("task", number=self.count, task=task.get_name().strip(), **fields)

    def v2_playbook_on_play_start(self, play):
        self.emit("play", play=play.get_name().strip())

    def v2_playbook_on_task_start(self, task, is_conditional):
        self.task_starts(task)

    def v2_playbook_on_handler_task_start(self, task):
        self.task_starts(task)

    def v2_playbook_on_no_hosts_matched(self):
        self.emit("no-hosts")

    def v2_runner_on_ok(self, result):
        self.keep(result._result.get("ansible_stats", {}).get("data", {}))
        self.outcome("changed" if result._result.get("changed") else "ok", result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self.outcome("failed", result, ignored=bool(ignore_errors))

    def v2_runner_on_unreachable(self, result):
        self.outcome("unreachable", result)

    def v2_runner_on_skipped(self, result):
        self.outcome("skipped", result)

    def v2_runner_retry(self, result):
        self.outcome("retry", result, attempt=result._result.get("attempts"), attempts=result._result.get("retries"))

    def v2_playbook_on_stats(self, stats):
        self.emit("stats", hosts={host: stats.summarize(host) for host in sorted(stats.processed)})
