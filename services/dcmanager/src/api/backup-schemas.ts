import { Type } from 'typebox'
import { Subcloud } from './schemas.ts'

/** Booleans come as texts from the stock client and as JSON booleans from others. */
const flag = (description: string) => Type.Optional(Type.Union([Type.Boolean(), Type.String()], { description }))
const text = (description: string) => Type.Optional(Type.String({ description }))

const target = { subcloud: text('Id or name of a subcloud.'), group: text('Id or name of a group; instead of subcloud.') }
const password = text('Base64 of the password of user sysadmin.')

export const BackupCreateForm = Type.Object(
  {
    ...target,
    local_only: flag('true: the archive stays at the subcloud.'),
    registry_images: flag('Accepted and recorded; sites of this version run no registry of containers. Only with local_only.'),
    backup_values: text('File: YAML map of variables for the backup playbook.'),
    sysadmin_password: password,
  },
  { title: 'SubcloudBackupCreate' },
)

export const BackupDeleteForm = Type.Object(
  {
    ...target,
    local_only: flag('true: those at the subcloud; default: those at the system controller.'),
    sysadmin_password: text('Base64 of the password of user sysadmin; only with local_only.'),
  },
  { title: 'SubcloudBackupDelete' },
)

export const BackupRestoreForm = Type.Object(
  {
    ...target,
    with_install: flag('true: installs the release first, through the BMC.'),
    release: text('MM.mm of the backup, and of the installation; only with with_install or factory.'),
    local_only: flag('true: from an archive that lies at the subcloud.'),
    registry_images: flag('Accepted and told to the playbook; sites of this version run no registry of containers. Only with local_only.'),
    auto: flag('true: driven through the BMC; simplex only.'),
    factory: flag('true: back to what the site left the factory with, through the BMC; simplex only.'),
    on_site: flag('true: brings the archive to the site, whose staff runs the restore.'),
    restore_values: text(
      'File: YAML map: bootstrap_address (a map of names and addresses), restore_timeout (seconds), playbook variables.',
    ),
    sysadmin_password: password,
  },
  { title: 'SubcloudBackupRestore' },
)

const Outcomes = Type.Array(
  Type.Object({
    id: Type.Integer(),
    name: Type.String(),
    outcome: Type.Union([Type.Literal('accepted'), Type.Literal('skipped')]),
    'operation-id': Type.Optional(Type.String({ description: 'Of /v1.0/subclouds/{id}/operations/{operation-id}.' })),
    reason: Type.Optional(Type.String({ description: 'Why it was skipped.' })),
  }),
  { description: 'What became of each subcloud of the request.' },
)

export const BackupReply = Type.Object({ subclouds: Type.Array(Subcloud), outcomes: Outcomes }, { title: 'SubcloudBackupReply' })

export const DeleteReplies = {
  202: Type.Object({ outcomes: Outcomes }, { description: 'With Prefer: respond-async; nothing was waited for.' }),
  204: Type.Null({ description: 'All were deleted.' }),
  207: Type.String({ description: 'Who was skipped, had no backup, failed, or is not done yet.' }),
}
