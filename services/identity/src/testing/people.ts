import assert from 'node:assert/strict'
import type { Answer, Caller, TestIdentity } from './site.ts'

let count = 0

/** A user with a project of their own, and a role in it when one is named. */
export async function makeMember(admin: Caller, how: { role?: string }) {
  const name = `member-${++count}`
  const password = `password of ${name}`
  const made = async (path: string, body: unknown): Promise<Answer['body']> => {
    const answer = await admin('POST', path, body)
    assert.equal(answer.status, 201, JSON.stringify(answer.body))
    return answer.body
  }
  const { project } = await made('/v3/projects', { project: { name: `project-${count}` } })
  const { user } = await made('/v3/users', { user: { name, password, default_project_id: project.id } })
  if (how.role !== undefined) {
    const granted = await admin('PUT', `/v3/projects/${project.id}/users/${user.id}/roles/${await roleId(admin, how.role)}`)
    assert.equal(granted.status, 204)
  }
  return {
    name,
    password,
    id: String(user.id),
    projectId: String(project.id),
    signIn: (identity: TestIdentity, scope?: unknown) => identity.signIn(name, password, scope),
  }
}

export async function roleId(admin: Caller, name: string): Promise<string> {
  const { roles } = (await admin('GET', `/v3/roles?name=${name}`)).body
  assert.equal(roles.length, 1)
  return String(roles[0].id)
}
