import type { ScalarTag, Tags } from 'yaml'

/**
 * Which plain words mean something else than text, as PyYAML sees it. The reader's own YAML 1.1 is wider: there `y` and `n` are
 * booleans, `1e5` and `08` numbers — in values files such words are names.
 */
const tests: Readonly<Record<string, RegExp>> = {
  'int ': /^[-+]?(?:0|[1-9][0-9_]*)$/,
  'float ': /^(?:[-+]?[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)$/,
  'float EXP': /^(?:[-+]?[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)[eE][-+][0-9]+$/,
}
const yes = /^(?:yes|Yes|YES|true|True|TRUE|on|On|ON)$/
const no = /^(?:no|No|NO|false|False|FALSE|off|Off|OFF)$/
/** A date stays the text that it was. */
const dropped: ReadonlySet<string> = new Set(['timestamp', 'binary', 'omap', 'pairs', 'set'])

export function asPyYaml(tags: Tags): Tags {
  return tags.flatMap((tag): Tags => {
    if (typeof tag === 'string') return dropped.has(tag) ? [] : [tag]
    const name = tag.tag.replace('tag:yaml.org,2002:', '')
    if (dropped.has(name)) return []
    const scalar = tag as ScalarTag
    if (name === 'bool') return [{ ...scalar, test: scalar.test?.test('yes') === true ? yes : no }]
    const test = tests[`${name} ${scalar.format ?? ''}`]
    // The reader's own test for `.inf` and `.nan` comes with the same name as the plain one.
    return [test === undefined || scalar.test?.test('.inf') === true ? tag : { ...scalar, test }]
  })
}
