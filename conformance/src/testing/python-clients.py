"""Runs the distribution's own command-line clients, unmodified, many commands in one process: their start takes longer than their work.

Lines of JSON come in ({"client": "openstack", "args": [...]}), lines of JSON go out ({"code": 0, "stdout": "...", "stderr": "..."}).
"""

import contextlib
import io
import json
import os
import pty
import sys
import warnings

warnings.simplefilter('ignore')


def openstack(args):
    from openstackclient import shell

    return shell.OpenStackShell().run(args) or 0


def glance(args):
    from glanceclient import shell

    shell.OpenStackImagesShell().main(args)
    return 0


clients = {'openstack': openstack, 'glance': glance}


class Out(io.StringIO):
    """Text, and bytes where a client writes data to it."""

    def __init__(self):
        super().__init__()
        self.buffer = io.BytesIO()


# The clients read data from a standard input that is no terminal: they get one, and the commands come another way.
commands = os.fdopen(os.dup(0))
terminal = pty.openpty()[1]
os.dup2(terminal, 0)
sys.stdin = os.fdopen(0, closefd=False)
answers = sys.stdout
for line in commands:
    asked = json.loads(line)
    out, err = Out(), Out()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = clients[asked['client']](asked['args'])
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
            if isinstance(ended.code, str):
                err.write(ended.code)
        except Exception as failure:
            code = 1
            err.write('%s: %s' % (type(failure).__name__, failure))
    answers.write(json.dumps({'code': code, 'stdout': out.getvalue(), 'stderr': err.getvalue()}) + '\n')
    answers.flush()
