import { createRealWorld } from '@murmuration/world'
import { CommandFailed, exitCodes } from './exit.ts'
import { buildProgram } from './program.ts'
import { onLostOutput, tell } from './terminal.ts'

/** Runs the command that this process was called with; its outcome is the exit code. */
export async function run(): Promise<void> {
  const serving = process.argv[2] === 'serve'
  const world = createRealWorld({ timersKeepAlive: true, log: { level: serving ? 'info' : 'warn' } })
  onLostOutput(process.argv[2] === 'lab' || serving)
  try {
    await buildProgram({ world, environment: process.env }).parseAsync()
  } catch (error) {
    process.exitCode = report(error)
  } finally {
    await world.net.close()
    // A served site has ended in good order by now; what still waits (a poll that was about to sleep) must not hold it.
    if (serving) process.exit()
  }
}

/** One clear line, what to do about it, and the code. A defect of ours shows its stack only when asked for. */
function report(error: unknown): number {
  if (error instanceof CommandFailed) {
    tell(`error: ${error.message}`)
    if (error.hint !== undefined) tell(`  try: ${error.hint}`)
    return error.exitCode
  }
  // commander has said what was wrong with the words of the call.
  if (error instanceof Error && 'exitCode' in error) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  tell(`error: ${error instanceof Error ? error.message : String(error)}`)
  if (process.env['MURMUR_DEBUG'] !== undefined && error instanceof Error) tell(error.stack ?? '')
  return exitCodes.refused
}
