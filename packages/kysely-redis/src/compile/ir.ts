import type { Kind, Value } from '../values/kinds.ts'

/** A statement as we run it: Kysely's tree with everything accepted and nothing left over. Names are not resolved yet. */
export type Statement = SelectIr | InsertIr | UpdateIr | DeleteIr | SchemaIr | FenceIr | AboutTablesIr

export interface Literal {
  readonly t: 'lit'
  readonly value: Value
  readonly kind: Kind | 'null'
}
export type Comparison = '=' | '!=' | '<' | '<=' | '>' | '>='
export type Arithmetic = '+' | '-' | '*' | '/' | '%'
export type Aggregate = 'count' | 'sum' | 'avg' | 'min' | 'max'

export type Expr =
  | Literal
  | { readonly t: 'col'; readonly table?: string; readonly name: string }
  | { readonly t: 'and' | 'or'; readonly items: readonly Expr[] }
  | { readonly t: 'not' | 'neg'; readonly item: Expr }
  | { readonly t: 'cmp'; readonly op: Comparison; readonly left: Expr; readonly right: Expr }
  | { readonly t: 'distinct'; readonly negated: boolean; readonly left: Expr; readonly right: Expr }
  | { readonly t: 'in'; readonly negated: boolean; readonly left: Expr; readonly items: readonly Expr[] }
  | { readonly t: 'in-select'; readonly negated: boolean; readonly left: Expr; readonly select: SelectIr }
  | { readonly t: 'like'; readonly negated: boolean; readonly left: Expr; readonly right: Expr }
  | { readonly t: 'arith'; readonly op: Arithmetic; readonly left: Expr; readonly right: Expr }
  | { readonly t: 'concat'; readonly left: Expr; readonly right: Expr }
  | { readonly t: 'case'; readonly value?: Expr; readonly whens: readonly { when: Expr; result: Expr }[]; readonly otherwise?: Expr }
  | { readonly t: 'fn'; readonly name: string; readonly args: readonly Expr[] }
  | { readonly t: 'cast'; readonly item: Expr; readonly to: Kind }
  | { readonly t: 'agg'; readonly fn: Aggregate; readonly arg?: Expr; readonly distinct: boolean; readonly filter?: Expr }
  | { readonly t: 'scalar' | 'exists'; readonly select: SelectIr }

export type SourceIr =
  | { readonly kind: 'table'; readonly name: string; readonly alias: string }
  | { readonly kind: 'select'; readonly select: SelectIr; readonly alias: string }
  /** Rows of the caller's own; see `rowsAs`. */
  | { readonly kind: 'rows'; readonly columns: readonly string[]; readonly rows: readonly (readonly Literal[])[]; readonly alias: string }

export type SelectionIr =
  | { readonly kind: 'all'; readonly table?: string }
  | { readonly kind: 'expr'; readonly expr: Expr; readonly name: string }

export interface OrderIr {
  readonly expr: Expr
  readonly descending: boolean
  readonly nulls?: 'first' | 'last'
}

export interface CteIr {
  readonly name: string
  readonly columns?: readonly string[]
  readonly select: SelectIr
}

export interface SetOperationIr {
  readonly op: 'union' | 'intersect' | 'except'
  readonly all: boolean
  readonly select: SelectIr
}

export interface SelectIr {
  readonly t: 'select'
  readonly from?: SourceIr
  readonly joins: readonly { readonly left: boolean; readonly source: SourceIr; readonly on?: Expr }[]
  readonly where?: Expr
  readonly groupBy: readonly Expr[]
  readonly having?: Expr
  readonly selections: readonly SelectionIr[]
  readonly distinct: boolean
  readonly orderBy: readonly OrderIr[]
  readonly limit?: Expr
  readonly offset?: Expr
  readonly ctes: readonly CteIr[]
  readonly setOperations: readonly SetOperationIr[]
  readonly explain: boolean
  readonly allowScan: boolean
  readonly forUpdate: boolean
}

export interface AssignmentIr {
  readonly column: string
  readonly value: Expr
}

export interface ConflictIr {
  /** Undefined: any unique key. */
  readonly columns?: readonly string[]
  /** Undefined: do nothing. */
  readonly updates?: readonly AssignmentIr[]
  readonly updateWhere?: Expr
}

export interface InsertIr {
  readonly t: 'insert'
  readonly table: string
  readonly columns: readonly string[]
  /** Undefined in a row: the column's default. */
  readonly rows?: readonly (readonly (Expr | undefined)[])[]
  readonly select?: SelectIr
  readonly conflict?: ConflictIr
  readonly returning?: readonly SelectionIr[]
  readonly ctes: readonly CteIr[]
}

export interface UpdateIr {
  readonly t: 'update'
  readonly table: string
  readonly alias: string
  readonly from?: SourceIr
  readonly where?: Expr
  readonly updates: readonly AssignmentIr[]
  readonly returning?: readonly SelectionIr[]
  readonly ctes: readonly CteIr[]
  readonly explain: boolean
  readonly allowScan: boolean
}

export interface DeleteIr {
  readonly t: 'delete'
  readonly table: string
  readonly alias: string
  readonly where?: Expr
  readonly returning?: readonly SelectionIr[]
  readonly ctes: readonly CteIr[]
  readonly explain: boolean
  readonly allowScan: boolean
}

export interface ColumnIr {
  readonly name: string
  readonly kind: Kind
  readonly notNull: boolean
  readonly counted: boolean
  readonly default?: { readonly value: Value; readonly kind: Kind | 'null' }
  readonly primaryKey: boolean
  readonly unique: boolean
  readonly references?: ReferenceIr
}

export interface ReferenceIr {
  readonly table: string
  readonly columns: readonly string[]
  readonly onDelete: 'no action' | 'restrict' | 'cascade' | 'set null'
}

export interface ConstraintIr {
  readonly kind: 'primary' | 'unique' | 'foreign'
  readonly name?: string
  readonly columns: readonly string[]
  readonly references?: ReferenceIr
}

export type AlterationIr =
  | { readonly kind: 'add-column'; readonly column: ColumnIr }
  | { readonly kind: 'drop-column'; readonly column: string }
  | { readonly kind: 'rename-column'; readonly column: string; readonly to: string }
  | { readonly kind: 'set-default'; readonly column: string; readonly value: { readonly value: Value; readonly kind: Kind | 'null' } }
  | { readonly kind: 'drop-default' | 'set-not-null' | 'drop-not-null'; readonly column: string }
  | { readonly kind: 'add-constraint'; readonly constraint: ConstraintIr }
  | { readonly kind: 'drop-constraint'; readonly name: string }
  | { readonly kind: 'rename-table'; readonly to: string }

export type SchemaIr =
  | {
      readonly t: 'create-table'
      readonly table: string
      readonly ifNotExists: boolean
      readonly columns: readonly ColumnIr[]
      readonly constraints: readonly ConstraintIr[]
    }
  | { readonly t: 'drop-table'; readonly table: string; readonly ifExists: boolean }
  | {
      readonly t: 'create-index'
      readonly name: string
      readonly table: string
      readonly columns: readonly string[]
      readonly unique: boolean
      readonly ifNotExists: boolean
    }
  | { readonly t: 'drop-index'; readonly name: string; readonly table?: string; readonly ifExists: boolean }
  | { readonly t: 'alter-table'; readonly table: string; readonly alterations: readonly AlterationIr[] }

/** See own-words.ts. */
export type AboutTablesIr =
  | { readonly t: 'table-exists'; readonly table: string }
  | { readonly t: 'describe-tables' | 'defer-references' | 'check-references' }
  | { readonly t: 'raise-counter'; readonly table: string; readonly last: number }

/** See `fencedBy`: the transaction commits only while the lock is still held under this token. */
export interface FenceIr {
  readonly t: 'fence'
  readonly lock: string
  readonly value: string
}
