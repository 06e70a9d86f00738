/** What the script that a host runs from its seed has to know; all of it the system controller's own words. */
export interface RestoreScript {
  readonly mode: 'auto' | 'factory'
  readonly release: string
  readonly region: string
  readonly siteFolder: string
  readonly platformBackupFolder: string
  readonly murmurCommand: readonly string[]
  /** The archive lies in the seed; else the newest of the release at the host. */
  readonly archiveInSeed: boolean
  readonly owner: { readonly uuid: string; readonly name: string; readonly epoch: number }
}

/** Files of the seed that the script puts into the site's folder, where they are there. */
export const siteFiles = {
  'ca.pem': 'tls/ca.pem',
  'clients.pem': 'tls/clients.pem',
  'site.pem': 'tls/site.pem',
  'site.key': 'tls/site.key',
  'service-password': 'secrets/service-password',
  'admin-password': 'secrets/admin-password',
} as const

export const seedNames = {
  script: 'user-data',
  meta: 'meta-data',
  values: 'restore.json',
  site: 'site.yaml',
  key: 'archive.key',
  archive: 'archive.tgz',
} as const
/** By which a host finds a seed (NoCloud). */
export const seedLabel = 'CIDATA'

/** A shell word that means exactly this text. */
export const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

/**
 * What the host runs: `user-data` of a NoCloud seed. It needs no network for it. Safe to run again: it ends before it changes anything
 * when another system controller has claimed the site meanwhile.
 */
export function restoreScript(facts: RestoreScript): string {
  const claim = ['site', 'ownership', 'claim', `--owner=${facts.owner.uuid}`, `--name=${facts.owner.name}`, `--epoch=${facts.owner.epoch}`]
  return `#!/bin/sh
# Restores this site (${facts.mode}). Written by its system controller; the first argument is the folder of the seed, by default the seed is mounted.
set -eu
umask 077
seed=\${1:-}
if [ -z "$seed" ]; then
  seed=$(mktemp -d)
  mount -t iso9660 -o ro /dev/disk/by-label/${seedLabel} "$seed" 2>/dev/null || mount -t iso9660 -o ro /dev/sr0 "$seed"
fi
site=${quoted(facts.siteFolder)}
kept=${quoted(facts.platformBackupFolder)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
murmur() { /usr/bin/env -i HOME="$site" PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 ${facts.murmurCommand.map(quoted).join(' ')} "$@"; }
claim() {
  murmur ${claim.map(quoted).join(' ')} --site "$site/site.yaml"
}
newest() {
  found=$(find "$1" -maxdepth 1 -name '*_platform_backup_*.tgz' 2>/dev/null | sort | tail -n 1)
  [ -n "$found" ] || { echo "There is no archive in $1." >&2; exit 1; }
  echo "$found"
}

# A site that is there may belong to somebody else by now. (2: nobody runs what can't be read.)
if [ -e "$site/site.yaml" ]; then
  claim || [ $? -eq 2 ]
fi
[ ! -e "$site/var/murmur.pid" ] || murmur stop --site "$site/site.yaml"
rm -f "$site/started-with"
${facts.mode === 'factory' ? factorySteps(facts) : archiveSteps(facts)}`
}

/** Nobody's site: it is not started, and whoever deploys it next claims it. */
const factorySteps = ({ release }: RestoreScript): string => `
factory="$kept"/factory/${quoted(release)}
archive=$(newest "$factory")
murmur site unarchive --site-folder "$site" --input "$archive" --key-file "$factory/key"
rm -f "$site/started-with"
`

const archiveSteps = ({ release, region, archiveInSeed }: RestoreScript): string => `
archive=${archiveInSeed ? `"$seed/${seedNames.archive}"` : `$(newest "$kept"/backups/${quoted(release)})`}
cat "$seed/${seedNames.key}" > "$work/key"
murmur site unarchive --site-folder "$site" --input "$archive" --key-file "$work/key" --expect-region ${quoted(region)}
rm -f "$site/started-with"

# What the system controller knows of the site; where it keeps its data is known here only.
url=$(sed -n '/^dataUrl:/p' "$site/site.yaml")
if [ -n "$url" ]; then
  sed '/^dataUrl:/d' "$seed/${seedNames.site}" > "$work/site.yaml"
  printf '%s\\n' "$url" >> "$work/site.yaml"
else
  cat "$seed/${seedNames.site}" > "$work/site.yaml"
fi
mkdir -p "$site/tls" "$site/secrets"
while read -r from to; do
  [ ! -e "$seed/$from" ] || cat "$seed/$from" > "$site/$to"
done <<FILES
${Object.entries(siteFiles)
  .map(([from, to]) => `${from} ${to}`)
  .join('\n')}
FILES
[ ! -e "$site/tls/former-ca.pem" ] || cat "$site/tls/former-ca.pem" >> "$site/tls/clients.pem"
cat "$work/site.yaml" > "$site/site.yaml"
claim
murmur serve --site "$site/site.yaml" --detach
`
