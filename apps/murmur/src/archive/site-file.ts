import { isScalar, parseDocument, visit } from 'yaml'
import type { Manifest } from '@murmuration/archive'
import { loadSiteConfig, SiteConfigInvalid, type SiteConfig } from '@murmuration/site/config'
import type { World } from '@murmuration/world'
import { CommandFailed, exitCodes } from '../exit.ts'

export interface Placement {
  readonly siteFolder: string
  readonly varFolder?: string
  readonly dataUrl?: string
}

/**
 * The archive's site file as it has to be at its new place: paths into the old site folder lead into the new one, and the databases are
 * where the operator wants them. Comments and everything else stay. Unchanged when nothing moves.
 */
export function placeSiteFile(text: string, manifest: Manifest, placement: Placement): string {
  const from = manifest.head.facts['siteFolder']
  const moves = typeof from === 'string' && from !== placement.siteFolder
  if (!moves && placement.varFolder === undefined && placement.dataUrl === undefined) return text
  const document = parseDocument(text, { version: '1.1' })
  if (moves) {
    visit(document, {
      Scalar(_key, node) {
        if (!isScalar(node) || typeof node.value !== 'string') return
        const scheme = node.value.startsWith('sqlite:') ? 'sqlite:' : ''
        const path = node.value.slice(scheme.length)
        if (path === from || path.startsWith(`${from}/`)) node.value = `${scheme}${placement.siteFolder}${path.slice(from.length)}`
      },
    })
  }
  if (placement.varFolder !== undefined) document.set('varFolder', placement.varFolder)
  if (placement.dataUrl !== undefined) document.set('dataUrl', placement.dataUrl)
  return document.toString()
}

/** What the site file means where it is going to be. */
export async function readPlacedSiteFile(
  world: World,
  file: string,
  text: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<SiteConfig> {
  const read = async (path: string): Promise<Uint8Array | undefined> => (path === file ? Buffer.from(text) : await world.files.read(path))
  try {
    return await loadSiteConfig({ ...world, files: { ...world.files, read } }, file, environment)
  } catch (error) {
    if (!(error instanceof SiteConfigInvalid)) throw error
    throw new CommandFailed(exitCodes.refused, `The site file of the archive is not one for this release: ${error.message}`, undefined, {
      cause: error,
    })
  }
}
