#!/usr/bin/python3
# <<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>
"""The files of a site, in one go: folder, site.yaml, certificates, private key and passwords are brought to what is wanted; each file is
replaced in one step, readable by its owner only.

Takes one argument, `wanted`: a JSON document in base64 (folder, site, authority, certificate, keep_former_authority; private_key,
service_password and admin_password, of which an empty one leaves what is there). Arguments become a part of this program's text before it
runs, so nothing in them may be read as anything but data; and Ansible would turn a password that looks like a list into one.

Returns `start`: whether the site has to start because what it was started with (the mark) is something else, and `mark`: what to
write into that file when it has (site_services.py). A mark that is no longer true is removed, so that a stop on the way can't leave a lie.

Standard library only: this runs on the subcloud's host, and what it doesn't import it needn't bring there and compile (a tenth of a second
instead of half of one, of the system controller's processor too).
"""

import base64
import hashlib
import json
import os
import re
import sys
import tempfile

ARGUMENTS = json.loads("<<INCLUDE_ANSIBLE_MODULE_COMPLEX_ARGS>>")

SITE = 'site.yaml'
AUTHORITY = 'tls/ca.pem'
FORMER_AUTHORITY = 'tls/former-ca.pem'
# Who may ask the agent: the system controller; and a former one, to be told that it is one.
CLIENTS = 'tls/clients.pem'
CERTIFICATE = 'tls/site.pem'
PRIVATE_KEY = 'tls/site.key'
SERVICE_PASSWORD = 'secrets/service-password'
# Of the first start; the admin may change it, so that it says nothing of what the site runs with.
ADMIN_PASSWORD = 'secrets/admin-password'
STARTED_WITH = (SITE, AUTHORITY, CLIENTS, CERTIFICATE, PRIVATE_KEY, SERVICE_PASSWORD)
MARK = 'started-with'

DATA_URL = re.compile(r'^dataUrl:.*$', re.MULTILINE)


class Folder:
    """The site's folder; remembers what it changed. In check mode it changes nothing and remembers all the same."""

    def __init__(self, path, check_mode):
        self.path = path
        self.check_mode = check_mode
        self.changed = []

    def read(self, name):
        try:
            with open(os.path.join(self.path, name), 'rb') as file:
                return file.read()
        except FileNotFoundError:
            return None

    def text(self, name):
        return (self.read(name) or b'').decode('utf-8', 'replace')

    def make(self, name):
        path = os.path.join(self.path, name)
        if not os.path.isdir(path):
            self.changed.append(name or '.')
            if not self.check_mode:
                os.makedirs(path, 0o700)
        self.restrict(name, 0o700)

    def write(self, name, content):
        if self.read(name) == content:
            self.restrict(name, 0o600)
            return
        self.changed.append(name)
        if self.check_mode:
            return
        path = os.path.join(self.path, name)
        # mkstemp makes it 0600 from the start.
        handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix='.site-')
        try:
            with os.fdopen(handle, 'wb') as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise

    def remove(self, name):
        if self.read(name) is None:
            return
        self.changed.append(name)
        if not self.check_mode:
            os.unlink(os.path.join(self.path, name))

    def restrict(self, name, mode):
        path = os.path.join(self.path, name)
        if os.path.exists(path) and os.stat(path).st_mode & 0o777 != mode:
            self.changed.append(name or '.')
            if not self.check_mode:
                os.chmod(path, mode)

    def digest(self):
        """Of all that a start depends on."""
        sums = [hashlib.sha256(self.read(name) or b'').hexdigest() for name in STARTED_WITH]
        return hashlib.sha256(' '.join(sums).encode()).hexdigest()


def with_data_where_they_are(wanted, present):
    """Its data may have been moved since (murmur db copy): where they are now is known here, and only here."""
    moved = DATA_URL.search(present)
    if not moved:
        return wanted
    # In its place, so that a site that is wanted as it is stays as it is.
    if DATA_URL.search(wanted):
        return DATA_URL.sub(lambda _: moved.group(0), wanted, count=1)
    return wanted.rstrip('\n') + '\n' + moved.group(0) + '\n'


def bring(folder, wanted):
    """What the site was started with has to be `mark`; returns that and whether it is something else."""
    for name in ('', 'tls', 'secrets'):
        folder.make(name)
    folder.write(SITE, with_data_where_they_are(wanted['site'], folder.text(SITE)).encode())
    if wanted['keep_former_authority']:
        former = folder.text(AUTHORITY)
        if former.strip() not in ('', wanted['authority'].strip()):
            folder.write(FORMER_AUTHORITY, former.encode())
    folder.write(AUTHORITY, wanted['authority'].encode())
    folder.write(CERTIFICATE, wanted['certificate'].encode())
    folder.write(CLIENTS, (wanted['authority'] + '\n' + folder.text(FORMER_AUTHORITY)).encode())
    for name, value in ((PRIVATE_KEY, 'private_key'), (SERVICE_PASSWORD, 'service_password'), (ADMIN_PASSWORD, 'admin_password')):
        if wanted[value]:
            folder.write(name, wanted[value].encode())
    mark = folder.digest()
    start = folder.text(MARK).strip() != mark
    if start:
        folder.remove(MARK)
    return mark, start


def main():
    wanted = json.loads(base64.b64decode(ARGUMENTS['wanted']))
    folder = Folder(wanted['folder'], ARGUMENTS.get('_ansible_check_mode', False))
    try:
        mark, start = bring(folder, wanted)
    except OSError as error:
        # Not the arguments: secrets are among them.
        print(json.dumps({'failed': True, 'msg': 'The files of the site cannot be brought to what is wanted: %s.' % error}))
        sys.exit(1)
    print(json.dumps({'changed': bool(folder.changed), 'files': folder.changed, 'start': start, 'mark': mark}))


main()
