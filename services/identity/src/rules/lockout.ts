export interface LockoutRule {
  readonly lockoutFailures: number
  readonly lockoutWindowMs: number
}

/** A locked account opens by itself when its last failure is older than the window; tries while it is locked don't count. */
export function isLocked(
  user: { readonly failed_count: number; readonly failed_at_ms: number },
  options: Readonly<Record<string, unknown>>,
  nowMs: number,
  rule: LockoutRule,
): boolean {
  if (options['ignore_lockout_failure_attempts'] === true) return false
  return user.failed_count >= rule.lockoutFailures && nowMs - user.failed_at_ms < rule.lockoutWindowMs
}
