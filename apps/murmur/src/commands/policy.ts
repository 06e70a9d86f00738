import { createPolicy, PolicyInvalid, type Identity, type OperatorPolicy } from '@murmuration/http'
import { policyFileOf } from '@murmuration/site/config'
import type { World } from '@murmuration/world'
import { CommandFailed, exitCodes } from '../exit.ts'
import { loadConfig } from '../serve/command.ts'
import { print } from '../terminal.ts'
import { printList, type CommonOptions } from './context.ts'
import { serviceNamed, upkeepOf } from './upkeep.ts'

type Environment = Readonly<Record<string, string | undefined>>

interface PolicyOptions extends CommonOptions {
  readonly site: string
  readonly service: string
}

/** The policy as a running service has it: defaults in code, the operator's file on top. */
async function withPolicy<T>(
  world: World,
  environment: Environment,
  options: PolicyOptions,
  work: (policy: OperatorPolicy) => T,
): Promise<T> {
  const config = await loadConfig(world, options.site, environment)
  const service = serviceNamed(options.service)
  const file = policyFileOf(config, service)
  try {
    const policy = await createPolicy(world, (await upkeepOf[service]()).policies, file === undefined ? {} : { file })
    try {
      return work(policy)
    } finally {
      policy.close()
    }
  } catch (error) {
    if (error instanceof PolicyInvalid) throw new CommandFailed(exitCodes.usage, error.message, `Correct ${file}.`)
    throw error
  }
}

export const list = (world: World, environment: Environment, options: PolicyOptions): Promise<void> =>
  withPolicy(world, environment, options, (policy) =>
    printList(
      ['rule', 'check', 'source', 'operations'],
      policy.effective().map((rule) => ({
        rule: rule.name,
        check: rule.check,
        source: rule.source,
        operations: rule.operations.map((operation) => `${operation.method} ${operation.path}`).join(', '),
      })),
      options,
    ),
  )

/** Exit code 0 when allowed, 1 when not; every part of the decision is printed. */
export const check = (
  world: World,
  environment: Environment,
  rule: string,
  options: PolicyOptions & { readonly role: string; readonly project: string },
): Promise<void> =>
  withPolicy(world, environment, options, (policy) => {
    if (!policy.effective().some((one) => one.name === rule))
      throw new CommandFailed(
        exitCodes.notFound,
        `${options.service} has no rule ${rule}.`,
        `murmur policy list --site ${options.site} --service ${options.service}`,
      )
    const { allowed, decisions } = policy.explain(rule, callerWith(options.role.split(','), options.project))
    for (const decision of decisions) print(`${decision.allowed ? 'yes' : 'no '}  ${decision.part}`)
    print(`${rule}: ${allowed ? 'allowed' : 'denied'} for ${options.role} in project ${options.project}`)
    if (!allowed) process.exitCode = exitCodes.refused
  })

function callerWith(roles: readonly string[], projectName: string): Identity {
  return {
    userId: 'somebody',
    userName: 'somebody',
    userDomainId: 'default',
    userDomainName: 'Default',
    projectId: projectName,
    projectName,
    projectDomainId: 'default',
    projectDomainName: 'Default',
    systemScope: false,
    roles,
    auditId: 'policy-check',
    expiresAtMs: Number.MAX_SAFE_INTEGER,
  }
}
