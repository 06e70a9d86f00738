/** What no operation expects. */

/** Values for members of bodies. */
export const values: readonly unknown[] = [
  null,
  true,
  -1,
  1e300,
  '',
  ' ',
  'x'.repeat(70_000),
  '\u0000',
  '\ud800',
  '‮evil',
  "'; drop table subclouds; --",
  '{{ 7 * 7 }}',
  '../../../../etc/passwd',
  '2130706433',
  [],
  [[[[[]]]]],
  {},
  { toString: 'x', length: 1 },
]

/** For parameters of paths, encoded. None of them names anything. */
export const references: readonly string[] = [
  '%00',
  '..%2f..%2fetc%2fpasswd',
  '%ff%fe',
  'constructor',
  '__proto__',
  '99999999999999999999',
  '-1',
  'a'.repeat(300),
  '%E2%80%AE',
  '%27%20or%201%3D1--',
  '%0d%0ax-evil:%201',
]

/** For query parameters, encoded. */
export const queries: readonly string[] = ['', '-1', '1e9', '%00', '%ff', '(a%2B)%2B%24', '%25%25%25', 'x'.repeat(2_000), '%5B%5D']

/** Whole bodies as JSON texts. */
export const texts: readonly string[] = [
  'null',
  '[]',
  '"text"',
  '0',
  '{',
  '{"a":1,"a":2}',
  '\ufeff{}',
  '{"a":1e999}',
  '{"__proto__":{"polluted":true}}',
  '{"constructor":{"prototype":{"polluted":true}}}',
  `__import__('os').system('id')`,
  '['.repeat(100_000),
  `{"a":"\\ud800"}`,
  `{${Array.from({ length: 20_000 }, (_, n) => `"k${n}":${n}`).join()}}`,
]
