import { CommandFailed, exitCodes } from '../exit.ts'

/** Nothing answered. Whether a request that changes something was heard is not known. */
export class Unreachable extends CommandFailed {
  constructor(message: string) {
    super(exitCodes.refused, message, 'Is the site running? Start the lab with: npm start')
    this.name = 'Unreachable'
  }
}
