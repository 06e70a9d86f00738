import { connect, type Connection } from '../../api/connection.ts'
import type { ImageBody, ImagePage } from '../../api/image-types.ts'
import { CommandFailed, exitCodes } from '../../exit.ts'
import { segmentOf, type Context } from '../context.ts'

export const imageApi = (context: Context): Promise<Connection> => connect(context.world, context.environment, 'image')

export const pathOf = (image: Pick<ImageBody, 'id'>, ...more: readonly string[]): string =>
  ['/v2/images', image.id, ...more].map((part, at) => (at === 0 ? part : segmentOf(part))).join('/')

/** A name as it is, whatever the API would take for an operator in it. */
export const exactly = (name: string): string => `in:"${name.replaceAll(/["\\]/g, String.raw`\$&`)}"`

/** An image by id, else by its name; a name that several have is refused with their ids. Hidden ones count. */
export async function findImage(api: Connection, ref: string): Promise<ImageBody> {
  try {
    return await api.request<ImageBody>('GET', `/v2/images/${segmentOf(ref)}`)
  } catch (error) {
    if (!(error instanceof CommandFailed) || error.exitCode !== exitCodes.notFound) throw error
  }
  const name = exactly(ref)
  const found: ImageBody[] = []
  for (const hidden of ['false', 'true']) {
    const query = new URLSearchParams({ name, os_hidden: hidden, visibility: 'all' })
    found.push(...(await api.request<ImagePage>('GET', `/v2/images?${query.toString()}`)).images)
  }
  const [image, ...others] = found
  if (image === undefined) throw new CommandFailed(exitCodes.notFound, `There is no image ${ref}.`, 'murmur image list')
  if (others.length > 0)
    throw new CommandFailed(
      exitCodes.conflict,
      `Several images are called ${ref}.`,
      `Give one of their ids: ${found.map(({ id }) => id).join(', ')}`,
    )
  return image
}
