/**
 * The functions of the library answer many texts as one, which costs less on both sides. Rows are JSON and hold no line end; in an entry of
 * an index nothing that follows a zero character is a line end, and no entry begins with one (see values/encoding.ts).
 */
const betweenEntries = '\0\n'

/** As many rows as were asked for; '' for one that is not there. */
export const rowsIn = (text: string, count: number): readonly string[] => (count === 0 ? [] : text.split('\n'))

export const entriesIn = (text: string): readonly string[] => (text === '' ? [] : text.split(betweenEntries))

export const countsIn = (text: string): readonly number[] => (text === '' ? [] : text.split(',').map(Number))
