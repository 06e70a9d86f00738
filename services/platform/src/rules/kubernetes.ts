/** The way of a Kubernetes upgrade; the failed states allow another try. Only the last one makes the new version active. */
export const kubeUpgradeStates = {
  'upgrade-started': ['downloaded-images', 'downloading-images-failed', 'upgrade-aborted'],
  'downloading-images-failed': ['downloaded-images', 'upgrade-aborted'],
  'downloaded-images': ['upgraded-networking', 'upgrading-networking-failed', 'upgrade-aborted'],
  'upgrading-networking-failed': ['upgraded-networking', 'upgrade-aborted'],
  'upgraded-networking': ['upgraded-first-master', 'upgrading-first-master-failed', 'upgrade-aborted'],
  'upgrading-first-master-failed': ['upgraded-first-master', 'upgrade-aborted'],
  'upgraded-first-master': ['upgraded-second-master', 'upgrading-kubelets', 'upgrading-second-master-failed', 'upgrade-aborted'],
  'upgrading-second-master-failed': ['upgraded-second-master', 'upgrade-aborted'],
  'upgraded-second-master': ['upgrading-kubelets', 'upgrade-aborted'],
  'upgrading-kubelets': ['upgrade-complete', 'upgrade-aborted'],
  'upgrade-complete': [],
  'upgrade-aborted': [],
} as const satisfies Record<string, readonly string[]>

export type KubeUpgradeState = keyof typeof kubeUpgradeStates

export const mayMoveUpgrade = (from: KubeUpgradeState, to: KubeUpgradeState): boolean =>
  (kubeUpgradeStates[from] as readonly string[]).includes(to)
