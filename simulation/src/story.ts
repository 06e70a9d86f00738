const told: readonly RegExp[] = [
  / (boot|crash|pause|resume)$/,
  / clock (steps|runs) /,
  / (warn|error) /,
  /^\s*[\d.]+ network /,
  /^\s*[\d.]+ scenario /,
]
const untold: readonly RegExp[] = [/ scenario +(goes on|fault)$/, / (info|debug) /]
const longestLine = 260

/** What somebody has to read to understand: what operators asked, what became of subclouds and jobs, and every fault. */
export function storyOf(lines: readonly string[], most: number): string[] {
  const story: string[] = []
  for (let at = lines.length - 1; at >= 0 && story.length < most; at -= 1) {
    const line = lines[at]!
    if (told.some((pattern) => pattern.test(line)) && !untold.some((pattern) => pattern.test(line)))
      story.push(line.length > longestLine ? `${line.slice(0, longestLine)}…` : line)
  }
  return story.reverse()
}

const storyLines = 80

/** Plays a written story; when it does not come out, the error tells what happened before it. */
export async function telling(lines: () => readonly string[], play: () => Promise<void>): Promise<void> {
  try {
    await play()
  } catch (error) {
    const happened = storyOf(lines(), storyLines).map((line) => `  ${line}`)
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${happened.join('\n')}`, { cause: error })
  }
}
