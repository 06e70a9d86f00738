import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { bootstrapAddressOf, encoded, type Subject } from '../lifecycle/cloud.ts'
import { example } from '../testing/addresses.ts'
import { startBmc, type Bmc } from '../testing/bmc.ts'
import type { Fleet } from '../testing/fleet.ts'
import { cleanEnvironment, run } from '../testing/processes.ts'

const bmcPassword = 'Bmc-canary-4711'

/** A bootable image of a release in the vault: its installer does nothing but boot. */
export async function putImage(fleet: Fleet): Promise<void> {
  const folder = join(fleet.varFolder, 'vault/software/26.09')
  const tree = join(fleet.folder, 'iso-tree')
  await mkdir(folder, { recursive: true })
  await mkdir(tree, { recursive: true })
  await writeFile(join(tree, 'loader.bin'), Buffer.alloc(4_096, 'b'))
  const boot = ['-b', 'loader.bin', '-no-emul-boot', '-c', 'catalog']
  execFileSync('xorriso', ['-as', 'mkisofs', '-r', '-J', ...boot, '-V', 'OS', '-o', join(folder, 'os.iso'), tree], { stdio: 'pipe' })
  await writeFile(join(folder, 'os.sig'), '')
}

/** A server with a BMC, as install values of the subcloud name it: it boots what is in the drive, and runs the seed that it finds. */
export async function startHost(fleet: Fleet, subject: Subject): Promise<Bmc> {
  const bmc = await startBmc({
    address: `${fleet.prefix.oam}.${subject.n}.12`,
    serverAddress: bootstrapAddressOf(fleet, subject),
    tlsFolder: join(fleet.varFolder, 'tls'),
    user: 'root',
    password: bmcPassword,
    boots: (url) =>
      runSeed(fleet, url).catch((error: unknown) => {
        process.stderr.write(`the host did not come up: ${String(error)}\n`)
        throw error
      }),
  })
  const given = await fleet.dcmanager.send('PATCH', `/v1.0/subclouds/${subject.name}`, {
    form: {
      install_values: { fileName: 'install.yaml', content: await example('install-values.yaml', subject.name, subject.n, fleet) },
      bmc_password: encoded(bmcPassword),
    },
  })
  assert.equal(given.status, 200, given.text)
  return bmc
}

/** What cloud-init does with a NoCloud seed, or an installer with its own medium: `user-data` is run where the files are. */
async function runSeed(fleet: Fleet, url: string): Promise<void> {
  const folder = join(fleet.folder, 'drive')
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  const image = await fetch(url)
  assert.equal(image.status, 200, url)
  await writeFile(join(folder, 'image.iso'), Buffer.from(await image.arrayBuffer()))
  execFileSync('xorriso', ['-osirrox', 'on', '-indev', join(folder, 'image.iso'), '-extract', '/', join(folder, 'out')], { stdio: 'pipe' })
  const seed = join(folder, 'out')
  execFileSync('chmod', ['-R', 'u+rwX', seed])
  for (const name of await readdir(seed)) await rename(join(seed, name), join(seed, name.toLowerCase()))
  const { code, stderr } = await run('sh', [join(seed, 'user-data'), seed], { env: cleanEnvironment() }).done
  await rm(folder, { recursive: true })
  assert.equal(code, 0, stderr)
}
