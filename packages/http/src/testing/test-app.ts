import { createApp, type App, type AppOptions } from '../app.ts'
import { keystoneFaults } from '../faults/index.ts'
import { Unauthenticated, type Identity, type TokenValidator } from '../identity.ts'
import { createPolicy, type PolicyRule } from '../policy/index.ts'
import { createFakeWorld, type FakeWorld } from './fake-world.ts'

export const identityOf = (changes: Partial<Identity> = {}): Identity => ({
  userId: 'u1',
  userName: 'alice',
  userDomainId: 'default',
  userDomainName: 'Default',
  projectId: 'p1',
  projectName: 'admin',
  systemScope: false,
  roles: ['reader'],
  auditId: 'audit-1',
  expiresAtMs: Number.MAX_SAFE_INTEGER,
  ...changes,
})

/** Tokens of the tests: `reader`, `admin`, … stand for a user with that one role. */
export const roleTokens = (roles: readonly string[]): TokenValidator & { readonly asked: string[] } => {
  const asked: string[] = []
  return {
    asked,
    async validate(token) {
      asked.push(token)
      if (!roles.includes(token)) throw new Unauthenticated()
      return identityOf({ userId: `user-${token}`, roles: [token] })
    },
  }
}

export const rule = (name: string, check: string): PolicyRule => ({ name, check, operations: [], description: '' })

export async function createTestApp(options: Partial<AppOptions> = {}): Promise<{ app: App; world: FakeWorld }> {
  const world = createFakeWorld()
  const policy = await createPolicy(world, [rule('thing:get', 'role:reader or role:admin'), rule('thing:change', 'role:admin')])
  const app = await createApp({
    world,
    service: 'test',
    faults: keystoneFaults,
    tokens: roleTokens(['reader', 'admin']),
    policy,
    ...options,
  })
  return { app, world }
}
