import type { TestContext } from 'node:test'
import { groupBackup } from '@murmuration/dcmanager/playbook-testing'

const largest = Number(process.env['BENCH_MEMBERS'] ?? 250)
/** A course needs more than one point; the first of them warms the process up. */
const sizes = [...new Set([10, 25, 100, 250].filter((size) => size < largest)), largest]
/** What a member costs among the most may be so many times what it costs among the fewest: timers and pages make no better ones. */
const constantWithin = 1.5

/**
 * Issue 3 §5: a group backup of 250 simulated subclouds by one manager. Playbooks only write the archive, so what is left is the
 * controller's own; it may not grow with the group, a member.
 */
export async function groupBackups(): Promise<string[]> {
  const farewells: (() => unknown)[] = []
  const context = { after: (work: () => unknown) => void farewells.push(work) } as unknown as TestContext
  const lines: string[] = []
  const perMember: { readonly cpuMs: number; readonly statements: number }[] = []
  for (const [index, members] of sizes.entries()) {
    const found = await groupBackup(context, members)
    for (const farewell of farewells.splice(0).toReversed()) await farewell()
    if (found.done !== members) throw new Error(`${members - found.done} of ${members} backups did not end well`)
    // The first one is where code is loaded and compiled.
    if (index === 0 && sizes.length > 1) continue
    const cpuMs = (found.claimCpuMs + found.operationsCpuMs) / members
    const statements = (found.claimStatements + found.operationsStatements) / members
    perMember.push({ cpuMs, statements })
    lines.push(
      `${members} members: claimed by ${found.claimStatements} statements; a member costs ${cpuMs.toFixed(1)} ms of CPU and ${statements.toFixed(1)} statements, its archive's row and file included`,
    )
  }
  const [first, last] = [perMember[0]!, perMember.at(-1)!]
  const ratio = Math.max(last.cpuMs / first.cpuMs, last.statements / first.statements)
  lines.push(
    `goal: a member of the largest group costs no more than one of the smallest, times ${constantWithin}: ${ratio < constantWithin ? 'met' : 'MISSED'}, ratio ${ratio.toFixed(2)}`,
  )
  return lines
}
