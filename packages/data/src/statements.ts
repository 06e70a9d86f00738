/** Runs `work` and tells how many statements it made (transaction control not counted). For tests and for /metrics. */
export declare function countStatements<T>(work: () => Promise<T>): Promise<{ result: T; statements: number; texts: string[] }>
