import type { ControllerName } from './places.ts'

/** Which controllers there are, and which groups they share in which direction. */
export interface Layout {
  readonly name: string
  readonly controllers: readonly ControllerName[]
  readonly groups: readonly {
    readonly name: string
    /** Where it has priority 0. */
    readonly owner: ControllerName
    readonly standby: ControllerName
    /** Further standbys; the first has priority 1, and so on. */
    readonly others?: readonly ControllerName[]
    /** Numbers of sites. */
    readonly members: readonly number[]
  }[]
}

/** Two controllers; each stands by for the other. */
export const pair: Layout = {
  name: 'pair',
  controllers: ['north', 'south'],
  groups: [
    { name: 'spg-a', owner: 'north', standby: 'south', members: [1, 2, 3] },
    { name: 'spg-b', owner: 'south', standby: 'north', members: [4] },
  ],
}

/** Three controllers: two of them stand by for the same group, and know of each other only through its owner. */
export const fan: Layout = {
  name: 'fan',
  controllers: ['north', 'south', 'east'],
  groups: [{ name: 'spg-a', owner: 'north', standby: 'south', others: ['east'], members: [1, 2, 3, 4] }],
}

/** Three controllers; each stands by for the one before it. */
export const ring: Layout = {
  name: 'ring',
  controllers: ['north', 'south', 'east'],
  groups: [
    { name: 'spg-a', owner: 'north', standby: 'south', members: [1, 2] },
    { name: 'spg-b', owner: 'south', standby: 'east', members: [3] },
    { name: 'spg-c', owner: 'east', standby: 'north', members: [4] },
  ],
}
