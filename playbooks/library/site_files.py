#!/usr/bin/python
"""The files of a site, in one go: a task of its own for each would cost half a second each, on thousands of hosts.

state: present   Brings the folder, site.yaml, certificates, private key and passwords to what is wanted; each file is replaced in one
                 step, readable by its owner only. Returns `start`: whether the site has to start because what it was started with
                 (the mark) is something else. A mark that is no longer true is removed, so that a stop on the way can't leave a lie.
state: started   Marks what the site was started with: what stands in its files now.

Secrets come as `base64:…`, since Ansible would turn a password that looks like a list into one. An empty one leaves what is there.
Standard library only: this runs on the subcloud's host.
"""

import base64
import hashlib
import os
import re
import tempfile

from ansible.module_utils.basic import AnsibleModule

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


def secret(value):
    """Of the text `base64:…`."""
    return base64.b64decode(value[len('base64:'):], validate=True)


def present(folder, params):
    for name in ('', 'tls', 'secrets'):
        folder.make(name)
    folder.write(SITE, with_data_where_they_are(params['site'], folder.text(SITE)).encode())
    if params['keep_former_authority']:
        former = folder.text(AUTHORITY)
        if former.strip() not in ('', params['authority'].strip()):
            folder.write(FORMER_AUTHORITY, former.encode())
    folder.write(AUTHORITY, params['authority'].encode())
    folder.write(CERTIFICATE, params['certificate'].encode())
    folder.write(CLIENTS, (params['authority'] + '\n' + folder.text(FORMER_AUTHORITY)).encode())
    for name, value in ((PRIVATE_KEY, 'private_key'), (SERVICE_PASSWORD, 'service_password'), (ADMIN_PASSWORD, 'admin_password')):
        content = secret(params[value])
        if content:
            folder.write(name, content)
    start = folder.text(MARK).strip() != folder.digest()
    if start:
        folder.remove(MARK)
    return start


def main():
    module = AnsibleModule(
        argument_spec={
            'folder': {'type': 'path', 'required': True},
            'state': {'choices': ['present', 'started'], 'default': 'present'},
            'site': {'type': 'str'},
            'authority': {'type': 'str'},
            'certificate': {'type': 'str'},
            'keep_former_authority': {'type': 'bool', 'default': False},
            'private_key': {'type': 'str', 'default': 'base64:', 'no_log': True},
            'service_password': {'type': 'str', 'default': 'base64:', 'no_log': True},
            'admin_password': {'type': 'str', 'default': 'base64:', 'no_log': True},
        },
        required_if=[('state', 'present', ['site', 'authority', 'certificate'])],
        supports_check_mode=True,
    )
    folder = Folder(module.params['folder'], module.check_mode)
    try:
        if module.params['state'] == 'present':
            start = present(folder, module.params)
        else:
            folder.write(MARK, (folder.digest() + '\n').encode())
            start = False
    except OSError as error:
        module.fail_json(msg='The files of the site in %s cannot be brought to what is wanted: %s.' % (folder.path, error))
    module.exit_json(changed=bool(folder.changed), files=folder.changed, start=start)


if __name__ == '__main__':
    main()
