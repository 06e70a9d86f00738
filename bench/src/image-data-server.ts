import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, open, rename } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { openDatabase } from '@murmuration/data'
import { createImageService } from '@murmuration/image'
import { createRealWorld } from '@murmuration/world'
import { openBenchSite } from './site.ts'
import { createTokens } from './tokens.ts'

/** The image API (`ours`), or the least that takes and gives the same bytes (`plain`). Started by `image-data`. */
const world = createRealWorld({ timersKeepAlive: true, log: { level: 'error' } })
const { validator, tokens } = createTokens(world, 1)
const opened = await openBenchSite(world, { tokens: validator })

if (process.argv[2] === 'plain') process.send!({ url: await servePlain(join(opened.folder, 'plain')), tokens })
else {
  const database = await openDatabase(`sqlite:${join(opened.folder, 'image.db')}`, { world, name: 'image' })
  const site = { ...opened, config: { ...opened.config, roles: ['api' as const] }, openDatabase: async () => database as never }
  const service = await createImageService(site)
  const listening = await world.net.serve({ host: '127.0.0.1', port: 0, longRequests: true }, service.apps[0]!.endpoint)
  process.send!({ url: `http://127.0.0.1:${listening.port}`, tokens })
}

process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send!((user + system) / 1e6)
})

/** Node's own streams: hashed twice as an image is, written aside, synced, renamed; read as it lies there. */
async function servePlain(folder: string): Promise<string> {
  await mkdir(folder)
  const server = createServer((request, response) => {
    const file = join(folder, request.url!.replaceAll('/', '_'))
    const answer = async (): Promise<void> => {
      if (request.method === 'GET') return pipeline(createReadStream(file), response)
      const [md5, sha512] = [createHash('md5'), createHash('sha512')]
      async function* hashed() {
        for await (const piece of request as AsyncIterable<Buffer>) {
          md5.update(piece)
          sha512.update(piece)
          yield piece
        }
      }
      await pipeline(hashed, createWriteStream(`${file}.part`))
      const handle = await open(`${file}.part`)
      await handle.sync()
      await handle.close()
      await rename(`${file}.part`, file)
      response.writeHead(204, { 'x-digests': `${md5.digest('hex')} ${sha512.digest('hex')}` }).end()
    }
    answer().catch((error: unknown) => response.destroy(error as Error))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
