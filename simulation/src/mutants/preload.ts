import { applyMutant } from './apply.ts'
import { mutants } from './list.ts'

/* For `node --import`: what is loaded after this has the mutant that the environment names. */
const mutant = mutants.find(({ name }) => name === process.env['MURMUR_MUTANT'])
if (mutant === undefined) throw new Error(`there is no mutant ${process.env['MURMUR_MUTANT']}`)
applyMutant(mutant)
