/** An image as its API shows it: base fields, and extra properties beside them as texts. */
export interface ImageBody {
  readonly id: string
  readonly name: string | null
  readonly status: string
  readonly visibility: string
  readonly protected: boolean
  readonly os_hidden: boolean
  readonly owner: string | null
  readonly disk_format: string | null
  readonly container_format: string | null
  readonly min_disk: number
  readonly min_ram: number
  readonly size: number | null
  readonly virtual_size: number | null
  readonly checksum: string | null
  readonly os_hash_algo: string | null
  readonly os_hash_value: string | null
  readonly tags: readonly string[]
  readonly stores?: string
  readonly created_at: string
  readonly updated_at: string
  readonly [property: string]: unknown
}

export interface ImagePage {
  readonly images: readonly ImageBody[]
  readonly next?: string
}

export interface MemberBody {
  readonly member_id: string
  readonly image_id: string
  readonly status: string
  readonly created_at: string
  readonly updated_at: string
}

export interface ImageTaskBody {
  readonly id: string
  readonly type: string
  readonly status: string
  readonly message: string
  readonly created_at: string
  readonly updated_at: string
}

export interface StoreBody {
  readonly id: string
  readonly description?: string
  readonly default?: string
  readonly 'read-only'?: string
}
