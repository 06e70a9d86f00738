/**
 * Members of a request that may stand in its bootstrap values as well (reference dcmanager §1.7: "merged into the request payload").
 * The original merges whatever stands there; these are all that a request knows and a values file may ask for. They belong to the
 * request, not to the site, so they are not kept with the values: a password would go on to every deployment.
 */
export const requestMembers = [
  'bootstrap-address',
  'bootstrap_address',
  'group_id',
  'release',
  'sysadmin_password',
  'bmc_password',
  'migrate',
  'enroll',
  'on_site',
  'secondary',
] as const
export type RequestMember = (typeof requestMembers)[number]

export const withoutRequestMembers = (values: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(values).filter(([name]) => !(requestMembers as readonly string[]).includes(name)))
