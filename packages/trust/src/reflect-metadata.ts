/**
 * The certificate library's dependency container asks for the metadata extension of `Reflect` when it is loaded.
 * It only stores and reads back; this is that much and no more, and stands aside when a full one is there.
 */
interface MetadataReflect {
  getMetadata?: (key: unknown, target: object) => unknown
  getOwnMetadata?: (key: unknown, target: object) => unknown
  defineMetadata?: (key: unknown, value: unknown, target: object) => void
}

export function provideReflectMetadata(): void {
  const reflect = Reflect as unknown as MetadataReflect
  if (reflect.getMetadata !== undefined) return
  const kept = new WeakMap<object, Map<unknown, unknown>>()
  const read = (key: unknown, target: object) => kept.get(target)?.get(key)
  reflect.getMetadata = read
  reflect.getOwnMetadata = read
  reflect.defineMetadata = (key, value, target) => {
    const values = kept.get(target) ?? new Map<unknown, unknown>()
    values.set(key, value)
    kept.set(target, values)
  }
}
