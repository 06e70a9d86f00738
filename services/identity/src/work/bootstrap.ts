import { flag, json } from '@murmuration/data'
import { readPrivateFile, Secret, type Keyring, type Sealed } from '@murmuration/trust'
import type { SiteConfig } from '@murmuration/site'
import type { World } from '@murmuration/world'
import { addAssignment } from '../store/assignments.ts'
import { insertProject } from '../store/projects.ts'
import { addImpliedRole, insertRole } from '../store/roles.ts'
import type { AssignmentRow, IdentityDatabase, Tx } from '../store/schema.ts'
import { deleteSetting, readSetting, writeSetting } from '../store/settings.ts'
import { findUserByName, insertUser, updateUser } from '../store/users.ts'
import { ensureOwnCatalog } from './own-catalog.ts'
import { openrcContext, serviceContext } from './sealed-settings.ts'
import { openrcText } from './openrc.ts'
import type { Passwords } from './passwords.ts'
import type { SigningKeys } from './signing-keys.ts'

export interface BootstrapParts {
  readonly world: World
  readonly config: SiteConfig
  readonly db: IdentityDatabase
  readonly keyring: Keyring
  readonly passwords: Passwords
  readonly keys: SigningKeys
}

/** Implied: each has also what stands after it. */
const ladder = ['admin', 'manager', 'member', 'reader'] as const
/** Of the distributed cloud, and of services that act for users. */
const otherRoles = ['configurator', 'operator', 'service'] as const
const serviceUsers = ['dcmanager', 'platform'] as const

/**
 * Makes what a site can't do without: the default domain, projects, roles, the user admin, the service accounts, the first
 * signing key, and the catalog of the site's own services. Safe to run at every start and in several processes at once: the
 * database decides who makes it, and passwords that were made up wait there, sealed, until their files are written.
 * The admin's password goes to `openrc` (0600) in the site's folder and to nothing else.
 */
export async function ensureBootstrap(parts: BootstrapParts): Promise<{ issuer: string }> {
  const { db, config } = parts
  if ((await readSetting(db, 'issuer')) === undefined) await firstStart(parts)
  await writeOpenrc(parts)
  await settleServicePassword(parts)
  await underLock(db, (tx) => ensureOwnCatalog(tx, config))
  const issuer = await readSetting(db, 'issuer')
  if (issuer === undefined) throw new Error('the identity service was not bootstrapped')
  return { issuer }
}

async function firstStart(parts: BootstrapParts): Promise<void> {
  const { world, config, db, keyring, passwords, keys } = parts
  const adminFile = config.identity.adminPasswordFile
  const adminPassword = await passwordFrom(world, adminFile, { mustExist: true })
  const servicePassword = await passwordFrom(world, config.identity.servicePasswordFile, { mustExist: false })
  const adminHash = await passwords.hash(adminPassword)
  const serviceHashes = [await passwords.hash(servicePassword), await passwords.hash(servicePassword)]

  await underLock(db, async (tx) => {
    if ((await readSetting(tx, 'issuer')) !== undefined) return
    await insertProject(tx, projectRow({ id: 'default', name: 'Default', isDomain: true, description: 'The default domain' }))
    const [adminProject, servicesProject] = [newId(world), newId(world)]
    await insertProject(tx, projectRow({ id: adminProject, name: 'admin', isDomain: false, description: 'Runs this cloud.' }))
    await insertProject(
      tx,
      projectRow({ id: servicesProject, name: 'services', isDomain: false, description: 'Accounts of the services.' }),
    )
    const adminRole = await makeRoles(tx, world)

    const grant = (actorId: string, targetType: AssignmentRow['target_type'], targetId: string) =>
      addAssignment(tx, {
        actor_type: 'user',
        actor_id: actorId,
        target_type: targetType,
        target_id: targetId,
        role_id: adminRole,
        inherited: 0,
      })
    const admin = await makeUser(tx, world, { name: 'admin', hash: adminHash, projectId: adminProject, options: {} })
    await grant(admin, 'project', adminProject)
    await grant(admin, 'system', 'system')
    for (const [index, name] of serviceUsers.entries()) {
      // Long random passwords can't be guessed; locking these accounts would let anybody stop the site.
      const options = { ignore_lockout_failure_attempts: true }
      await grant(
        await makeUser(tx, world, { name, hash: serviceHashes[index]!, projectId: servicesProject, options }),
        'project',
        servicesProject,
      )
    }
    await keys.rotate(tx, { leadMs: 0 })
    await writeSetting(tx, 'openrc-password', keyring.seal(adminPassword, openrcContext))
    await writeSetting(tx, 'service-password', keyring.seal(servicePassword, serviceContext))
    await writeSetting(tx, 'issuer', newId(world))
  })
}

/** Who waited for the lock must see what its holder wrote: each statement reads anew, and the lock alone keeps order. */
const underLock = (db: IdentityDatabase, work: (tx: Tx) => Promise<void>): Promise<void> =>
  db.transaction(
    async (tx) => {
      await tx.lock('bootstrap')
      await work(tx)
    },
    { isolation: 'read committed' },
  )

/** The sealed copy goes as soon as the file is there: afterwards the password is only the administrator's. */
async function writeOpenrc({ world, config, db, keyring }: BootstrapParts): Promise<void> {
  const sealed = await readSetting(db, 'openrc-password')
  if (sealed === undefined) return
  await world.files.write(`${config.varFolder}/openrc`, openrcText(config, keyring.open(sealed as Sealed, openrcContext)), { mode: 0o600 })
  await deleteSetting(db, 'openrc-password')
}

/**
 * The services sign in with what stands in the file. A file that is missing is written; one with other content than last time
 * (the controller handed out a new password) is taken over. A change by the API stays until the file changes.
 */
async function settleServicePassword(parts: BootstrapParts): Promise<void> {
  const { world, config, db, keyring, passwords } = parts
  const path = config.identity.servicePasswordFile
  const sealed = await readSetting(db, 'service-password')
  const applied = sealed === undefined ? undefined : keyring.open(sealed as Sealed, serviceContext)
  const inFile = await readPassword(world, path)
  if (inFile === undefined) {
    const password = applied ?? makePassword(world)
    await world.files.write(path, `${password.reveal()}\n`, { mode: 0o600 })
    if (applied !== undefined) return
  } else if (applied?.reveal() === inFile.reveal()) {
    return
  }
  const password = inFile ?? (await readPassword(world, path))
  if (password === undefined) throw new Error(`the service password file ${path} is gone again`)
  const hashes = [await passwords.hash(password), await passwords.hash(password)]
  await db.transaction(async (tx) => {
    for (const [index, name] of serviceUsers.entries()) {
      const user = await findUserByName(tx, 'default', name)
      if (user !== undefined) await updateUser(tx, user.id, { password_hash: hashes[index]!, password_changed_at_ms: world.clock.nowMs() })
    }
    await writeSetting(tx, 'service-password', keyring.seal(password, serviceContext))
  })
}

async function passwordFrom(world: World, path: string | undefined, how: { mustExist: boolean }): Promise<Secret> {
  const password = path === undefined ? undefined : await readPassword(world, path)
  if (password === undefined && path !== undefined && how.mustExist)
    throw new Error(
      `the password file ${path} is missing or empty; write the password there (mode 0600) or leave identity.adminPasswordFile out`,
    )
  return password ?? makePassword(world)
}

async function readPassword(world: World, path: string): Promise<Secret | undefined> {
  const text = (await readPrivateFile(world, path))?.replace(/\r?\n$/, '')
  return text === undefined || text === '' ? undefined : new Secret(text)
}

/** 192 bits; letters and digits at both ends, so that no shell or YAML reader sees more in it than text. */
const makePassword = (world: World): Secret => new Secret(`m${Buffer.from(world.random.bytes(24)).toString('base64url')}0`)

const newId = (world: World): string => world.random.uuid().replaceAll('-', '')

const projectRow = (project: { id: string; name: string; isDomain: boolean; description: string }) => ({
  id: project.id,
  name: project.name,
  domain_id: project.isDomain ? '' : 'default',
  parent_id: project.isDomain ? '' : 'default',
  is_domain: flag(project.isDomain),
  enabled: flag(true),
  description: project.description,
  tags: json.write<string[]>([]),
  options: json.write({}),
  extra: json.write({}),
})

/** Returns the id of `admin`. */
async function makeRoles(tx: Tx, world: World): Promise<string> {
  const ids = new Map<string, string>()
  for (const name of [...ladder, ...otherRoles]) {
    const id = newId(world)
    ids.set(name, id)
    // Every policy of every service counts on them.
    await insertRole(tx, { id, name, domain_id: '', description: null, options: json.write({ immutable: true }), extra: json.write({}) })
  }
  for (const [index, name] of ladder.slice(0, -1).entries())
    await addImpliedRole(tx, { prior_role_id: ids.get(name)!, implied_role_id: ids.get(ladder[index + 1]!)! })
  return ids.get('admin')!
}

async function makeUser(
  tx: Tx,
  world: World,
  user: { name: string; hash: string; projectId: string; options: Readonly<Record<string, unknown>> },
): Promise<string> {
  const id = newId(world)
  await insertUser(tx, {
    id,
    name: user.name,
    domain_id: 'default',
    enabled: 1,
    default_project_id: user.projectId,
    password_hash: user.hash,
    password_changed_at_ms: world.clock.nowMs(),
    failed_count: 0,
    failed_at_ms: 0,
    created_at_ms: world.clock.nowMs(),
    options: json.write(user.options),
    extra: json.write({}),
  })
  return id
}
