import { connect } from '../../api/connection.ts'
import { CommandFailed } from '../../exit.ts'
import type { Context } from '../context.ts'

/** A project by its name, where the caller may look it up and there is one; else as it was given: an id. */
export async function projectId(context: Context, ref: string): Promise<string> {
  if (/^[0-9a-f]{32}$/.test(ref)) return ref
  try {
    const identity = await connect(context.world, context.environment, 'identity')
    const { projects } = await identity.request<{ projects: { id: string }[] }>(
      'GET',
      `/projects?${new URLSearchParams({ name: ref }).toString()}`,
    )
    return projects.length === 1 ? projects[0]!.id : ref
  } catch (error) {
    // Who may not list projects knows ids.
    if (error instanceof CommandFailed) return ref
    throw error
  }
}
