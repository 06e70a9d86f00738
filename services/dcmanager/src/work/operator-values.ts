import type { Sealed } from '@murmuration/trust'
import { secretContext } from '../store/backup-claims.ts'
import type { OperationParts } from './operations.ts'
import { operatorVariables, type Values } from './overrides.ts'
import type { AnsibleValue } from './playbooks/documents.ts'

/** What the operator's file of values says for a backup or a restore. */
export const operatorValuesOf = (parts: OperationParts, id: number, sealed: Sealed | undefined): Record<string, AnsibleValue> =>
  sealed === undefined
    ? {}
    : operatorVariables(JSON.parse(parts.site.keyring.open(sealed, secretContext(id, 'operator_values')).reveal()) as Values)
