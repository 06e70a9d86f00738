import type { ControllerPlace } from '../fleet/prepared.ts'
import { secretText } from '../fleet/secrets.ts'

/** Names of the system controllers, in the order of their numbers. */
export const controllerNames = ['north', 'south', 'east'] as const
export type ControllerName = (typeof controllerNames)[number]

export interface Place extends ControllerPlace {
  readonly name: ControllerName
  readonly number: number
  /** Of its system. */
  readonly uuid: string
  /** What its subclouds send to it through. */
  readonly gateway: string
  /** Of its own services' account, there and at its subclouds. */
  readonly servicePassword: string
}

export const placeOf = (name: ControllerName): Place => {
  const number = controllerNames.indexOf(name) + 1
  const prefix = `10.1${number}.0`
  return {
    name,
    number,
    uuid: `${String(number).repeat(8)}-2222-4333-8444-555555555555`,
    address: `${prefix}.1`,
    prefix,
    oamPrefix: `10.1${number}.1`,
    gateway: `${prefix}.254`,
    servicePassword: secretText(`service-${name}`),
  }
}

export const uuidOf = (name: ControllerName): string => placeOf(name).uuid
export const nameOf = (uuid: string): string => controllerNames.find((name) => uuidOf(name) === uuid) ?? uuid

export const geoSiteCount = 6
/** Of the account that peers log in with, at every controller (attack of a user agent alone: the name has to be known too). */
export const peerUser = 'peer'
export const peerPassword = (at: ControllerName, generation: number): string => secretText(`peer-${at}-${generation}`)
/** Where playbooks reach the host of a site, whatever its agent does. */
export const shellPort = 22

/** Seconds, as operators give them; the shortest that is allowed. */
export const heartbeatSeconds = 10
export const heartbeatThreshold = 3
