import type { App } from '@murmuration/http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { errors, invalidField } from '../errors.ts'
import { shown } from '../rules/addresses.ts'
import { isRelease, majorMinor } from '../rules/releases.ts'
import { claim, type Asker } from '../store/claims.ts'
import { deployOptions, displayName, type DeployOption } from '../work/deploy-files.ts'
import { accept } from './accept.ts'
import type { ApiContext } from './context.ts'
import { readForm, type Form } from './form.ts'
import { bound } from './refs.ts'
import { flagOf } from './members.ts'
import { DeployFilesForm, formRoute, namesOf } from './schemas.ts'

const name = Type.Union([Type.String(), Type.Null()])
const Names = Type.Object(Object.fromEntries([...deployOptions, 'software_version'].map((option) => [option, name])), {
  title: 'DeployFileNames',
})
const ReleaseParams = Type.Object({ release: Type.String({ description: 'MM.mm' }) })
const DeleteQuery = Type.Object({
  prestage_images: Type.Optional(Type.String({ description: 'true: the list of images.' })),
  deployment_files: Type.Optional(Type.String({ description: 'true: playbook, overrides and chart.' })),
  release: Type.Optional(Type.String()),
})

/** Charts are archives of some size; images lists are long. */
const budget = { maxFileBytes: 16 * 1024 * 1024, maxBytes: 40 * 1024 * 1024 }

/** Deployment files (reference dcmanager §1.9). Zip archives of playbooks are not unpacked in this version: 400. */
export function deployFileRoutes(app: App, context: ApiContext): void {
  app.post(
    '/v1.0/subcloud-deploy',
    formRoute('dc_api:subcloud_deploy:upload', 'Upload deployment files', DeployFilesForm, Names),
    async (request, reply) => {
      const form = await readForm(request, namesOf(DeployFilesForm), budget)
      return accept(context.desk, request, reply, form.content, (asker) => upload(context, form, asker))
    },
  )

  const get = async (request: FastifyRequest): Promise<never> => {
    const release = releaseOf(context, bound(request, 'release'))
    const names = (await context.deployFiles.names(release)) ?? noNames
    return { subcloud_deploy: { ...names, software_version: release } } as never
  }
  const config = { policy: 'dc_api:subcloud_deploy:get' }
  const answer = { 200: Type.Object({ subcloud_deploy: Names }) }
  app.get('/v1.0/subcloud-deploy', { config, schema: { summary: 'Show deployment files of the own release', response: answer } }, get)
  app.get(
    '/v1.0/subcloud-deploy/:release',
    { config, schema: { summary: 'Show deployment files', params: ReleaseParams, response: answer } },
    get,
  )

  const remove = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const release = releaseOf(context, bound(request, 'release'))
    const options = optionsOf(request.query as Record<string, unknown>)
    return accept(context.desk, request, reply, { release, options }, (asker) => removeFiles(context, release, options, asker))
  }
  const removal = { policy: 'dc_api:subcloud_deploy:delete' }
  const removed = { 200: Type.Null() }
  app.delete(
    '/v1.0/subcloud-deploy',
    { config: removal, schema: { summary: 'Delete deployment files of the own release', querystring: DeleteQuery, response: removed } },
    remove,
  )
  app.delete(
    '/v1.0/subcloud-deploy/:release',
    { config: removal, schema: { summary: 'Delete deployment files', params: ReleaseParams, querystring: DeleteQuery, response: removed } },
    remove,
  )
}

const noNames: Readonly<Record<DeployOption, null>> = {
  deploy_playbook: null,
  deploy_overrides: null,
  deploy_chart: null,
  prestage_images: null,
}

async function upload(context: ApiContext, form: Form, asker: Asker): Promise<string> {
  const release = releaseOf(context, form.text('release'))
  const given = deployOptions.filter((option) => form.has(option))
  if (!(given.length === 1 && given[0] === 'prestage_images')) {
    const missing = (['deploy_playbook', 'deploy_chart'] as const).filter((option) => !form.has(option))
    if (missing.length > 0)
      throw errors.filesMissing({ purpose: 'the upload', files: missing.join(', '), remedy: 'Send playbook and chart together.' })
  }
  const files: Partial<Record<DeployOption, { name: string; data: Uint8Array }>> = {}
  for (const option of given) {
    const file = form.file(option)
    if (file === undefined) throw invalidField(option, 'must be a file of the form')
    if (option === 'deploy_playbook') requirePlaybook(form, file.data)
    files[option] = { name: displayName(file.fileName), data: file.data }
  }
  await context.deployFiles.write(release, files)
  const answer = JSON.stringify({ ...Object.fromEntries(given.map((option) => [option, files[option]!.name])), software_version: release })
  await remembered(context, asker, answer)
  return answer
}

/** One YAML file. Archives would have to be unpacked into the controller's folders. */
function requirePlaybook(form: Form, data: Uint8Array): void {
  if (data[0] === 0x50 && data[1] === 0x4b)
    throw invalidField('deploy_playbook', 'is an archive, which is not taken in this version: send the playbook as one YAML file')
  const documents = form.documents('deploy_playbook')
  if (documents === undefined || documents.length !== 1 || !Array.isArray(documents[0]!.value))
    throw invalidField('deploy_playbook', 'must be a playbook: one YAML list of plays')
}

async function removeFiles(context: ApiContext, release: string, options: readonly DeployOption[], asker: Asker): Promise<string> {
  if ((await context.deployFiles.names(release)) === undefined) throw errors.releaseFolderMissing({ release })
  await context.deployFiles.remove(release, options)
  await remembered(context, asker, 'null')
  return 'null'
}

/** Files have no transaction; removing or writing them twice comes to the same, so the answer may be kept after the deed. */
async function remembered(context: ApiContext, asker: Asker, answer: string): Promise<void> {
  if (asker.repeat === undefined) return
  await claim(
    context.desk,
    asker,
    () => answer,
    async () => {},
  )
}

function releaseOf(context: ApiContext, given: string | undefined): string {
  const own = majorMinor(context.site.config.softwareVersion) ?? context.site.config.softwareVersion
  if (given === undefined) return own
  if (!isRelease(given) || given > own)
    throw errors.releaseInvalid({ release: shown(given), wanted: `of the form MM.mm, not above ${own}` }, { field: 'release' })
  return given
}

/** None named means all (reference §1.9). */
function optionsOf(query: Readonly<Record<string, unknown>>): readonly DeployOption[] {
  const flag = (member: string): boolean => query[member] !== '' && flagOf(member, query[member])
  const [images, files] = [flag('prestage_images'), flag('deployment_files')]
  if (images === files) return deployOptions
  return images ? ['prestage_images'] : ['deploy_playbook', 'deploy_overrides', 'deploy_chart']
}
