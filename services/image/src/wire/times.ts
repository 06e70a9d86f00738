import type { Timestamp } from '@murmuration/data'

/** Whole seconds with a Z, as every body but that of an image's tasks has them (reference image §1.2). */
export const wireTime = (time: Timestamp): string => `${time.slice(0, 19)}Z`
