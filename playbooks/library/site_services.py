#!/usr/bin/python3
# <<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>
"""The services of a site run with what stands in its files, and answer.

Takes one argument, `wanted`: a JSON document in base64 (why, and why only the standard library, says site_files.py):
folder, command (murmur), claim (a command, or null: nobody's site), start and mark (as site_files.py returned them), identity_url,
agent_url, patience (seconds for both to answer).

A site that has to start, or whose identity service does not answer, is stopped and started; before that it is claimed. A new site has been
claimed by nobody yet; for another one it is the second time: whoever has claimed it since the first is not disturbed.
"""

import base64
import http.client
import json
import os
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

ARGUMENTS = json.loads("<<INCLUDE_ANSIBLE_MODULE_COMPLEX_ARGS>>")
TAIL = 2000
PAUSE = 0.2
CLAIM = 'claim the site for this system controller'


class Failed(Exception):
    def __init__(self, msg, **more):
        super().__init__(msg)
        self.result = dict(more, failed=True, msg=msg)


def run(what, argv):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    if done.returncode != 0:
        raise Failed('%s: it ended with code %d' % (what, done.returncode), rc=done.returncode, stdout=done.stdout[-TAIL:], stderr=done.stderr[-TAIL:])


class Unredirected(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def opener_for(folder, url):
    handlers = [urllib.request.ProxyHandler({}), Unredirected]
    if url.startswith('https:'):
        context = ssl.create_default_context(cafile=os.path.join(folder, 'tls/ca.pem'))
        context.load_cert_chain(os.path.join(folder, 'tls/site.pem'), os.path.join(folder, 'tls/site.key'))
        handlers.append(urllib.request.HTTPSHandler(context=context))
    return urllib.request.build_opener(*handlers)


def silence(folder, url):
    """Why it does not answer; None when it does."""
    try:
        opener_for(folder, url).open(url, timeout=5).close()
        return None
    except urllib.error.HTTPError as error:
        error.close()
        return 'it answered with status %d' % error.code
    except (OSError, http.client.HTTPException) as error:
        # Nobody there, a wrong certificate, or something on the port that speaks no HTTP.
        return str(getattr(error, 'reason', error))


def wait_for(what, folder, url, until):
    while True:
        why = silence(folder, url)
        if why is None:
            return
        if time.monotonic() >= until:
            raise Failed('%s at %s does not answer: %s' % (what, url, why))
        time.sleep(PAUSE)


def start(wanted):
    folder, site = wanted['folder'], os.path.join(wanted['folder'], 'site.yaml')
    if wanted['claim']:
        run(CLAIM, wanted['claim'])
    if os.path.exists(os.path.join(folder, 'var/murmur.pid')):
        run('stop what runs in the folder', wanted['command'] + ['stop', '--site', site])
    run('start the services', wanted['command'] + ['serve', '--site', site, '--detach'])
    with open(os.open(os.path.join(folder, 'started-with'), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 'w') as mark:
        mark.write(wanted['mark'] + '\n')


def main():
    wanted = json.loads(base64.b64decode(ARGUMENTS['wanted']))
    folder = wanted['folder']
    stale = wanted['start'] or silence(folder, wanted['identity_url']) is not None
    if not ARGUMENTS.get('_ansible_check_mode', False):
        try:
            if stale:
                start(wanted)
            until = time.monotonic() + wanted['patience']
            wait_for('the identity service', folder, wanted['identity_url'], until)
            wait_for('the agent', folder, wanted['agent_url'], until)
        except Failed as failed:
            print(json.dumps(failed.result))
            sys.exit(1)
        except OSError as error:
            print(json.dumps({'failed': True, 'msg': 'The services of the site cannot be started: %s.' % error}))
            sys.exit(1)
    print(json.dumps({'changed': stale}))


main()
