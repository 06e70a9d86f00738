import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const repository = fileURLToPath(new URL('..', import.meta.url))
const source = join(repository, 'packages/kysely-redis')

interface Manifest {
  readonly name: string
  readonly exports: Readonly<Record<string, string>>
  readonly [key: string]: unknown
}

/**
 * Makes of packages/kysely-redis what others can install: JavaScript and declarations (Node strips no types of what is installed),
 * README, licence, and a manifest whose doors lead to these. Without tests and what only they need.
 */
export function packKyselyRedis(folder: string): void {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const project = join(folder, 'tsconfig.json')
  const { private: _, exports, ...manifest } = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8')) as Manifest
  const doors = Object.entries(exports).filter(([door]) => door !== './testing')
  const typeRoots = [join(repository, 'node_modules/@types')]
  const options = {
    noEmit: false,
    typeRoots,
    declaration: true,
    rewriteRelativeImportExtensions: true,
    rootDir: join(source, 'src'),
    outDir: folder,
  }
  const files = doors.map(([, path]) => join(source, path))
  writeFileSync(project, JSON.stringify({ extends: join(repository, 'tsconfig.json'), compilerOptions: options, files, include: [] }))
  execFileSync(join(repository, 'node_modules/.bin/tsc'), ['-p', project], { cwd: repository, stdio: 'inherit' })
  rmSync(project)
  const built = doors.map(([door, path]) => {
    const name = path.replace('./src/', './').replace('.ts', '')
    return [door, { types: `${name}.d.ts`, default: `${name}.js` }]
  })
  const packed = { ...manifest, engines: { node: '>=22' }, exports: Object.fromEntries(built) }
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(packed, undefined, 2)}\n`)
  cpSync(join(source, 'README.md'), join(folder, 'README.md'))
  cpSync(join(repository, 'LICENSE'), join(folder, 'LICENSE'))
}

if (import.meta.main) {
  const folder = process.argv[2] ?? join(repository, 'var/kysely-redis')
  packKyselyRedis(folder)
  process.stdout.write(`${folder}: install it with "npm install ${folder}", publish it with "npm publish ${folder}"\n`)
}
