import type { DeployStatus } from './lifecycle.ts'

/** What to do about the error codes that playbooks report as `err_code = X` (reference dcmanager §1.7). */
const remedies: Readonly<Record<string, string>> = {
  bmc_cred: 'Check the BMC user name and password in the install values.',
  ping_bmc: 'The BMC does not answer: check bmc_address and the route to it.',
  rvmc_process: 'The remote virtual media controller failed: look at the install log, then install again.',
  rvmc_timeout: 'The BMC took too long: check that it is idle and that it can reach the system controller.',
  dm_pod_failed: 'The deployment manager did not start: check its images and chart.',
  dm_apply_failed: 'The deploy config could not be applied: check it against the hosts of the subcloud, then configure again.',
  images_download_failure: 'Images could not be downloaded: check the registries in the bootstrap values and their credentials.',
  failed_ssl_cert: 'A certificate was not accepted: check the ssl_ca_cert of the registries.',
}

/** Statuses whose remedy does not depend on a code. */
const hints: Partial<Record<DeployStatus, string>> = {
  'bootstrap-failed': 'For the cause see the output of the operation; correct the bootstrap values and bootstrap again or resume.',
  'config-failed': 'For the cause see the output of the operation; correct the deploy config and configure again or resume.',
}

export const noError = 'No errors present'

/** The stored text, with what to do about it. Always a text: clients print it. */
export function describeError(stored: string, status: DeployStatus): string {
  const hint = hints[status]
  if (stored === noError && hint === undefined) return stored
  const lines = [stored]
  const code = /err_code\s{0,4}=\s{0,4}([a-z_]{1,64})/.exec(stored)?.[1]
  if (code !== undefined && Object.hasOwn(remedies, code)) lines.push(remedies[code]!)
  if (hint !== undefined && stored !== noError) lines.push(hint)
  return lines.join('\n')
}
