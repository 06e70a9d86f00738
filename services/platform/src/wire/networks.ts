import { derivedUuid } from '../rules/identifiers.ts'
import type { Pool } from '../rules/networks.ts'
import type { HostRow, SystemRow } from '../store/schema.ts'
import { time } from './resources.ts'

/** The network resources of the platform API, made of the pools and the hosts. */
export function networkView(system: SystemRow, pools: readonly Pool[], hosts: readonly HostRow[]) {
  const created_at = time(system.created_at)
  const id = (...parts: string[]): string => derivedUuid(system.uuid, ...parts)
  const networkType = (pool: Pool): 'mgmt' | 'oam' => (pool.name === 'management' ? 'mgmt' : 'oam')
  const controllers = hosts.filter((host) => host.personality === 'controller')
  const interfaces = controllers.flatMap((host) =>
    pools.map((pool) => ({
      uuid: id('interface', host.uuid, pool.name),
      ifname: `${networkType(pool)}0`,
      ifclass: 'platform',
      iftype: 'ethernet',
      imtu: 1500,
      ihost_uuid: host.uuid,
      network: networkType(pool),
    })),
  )
  const addresses = pools.flatMap((pool) =>
    [
      { name: `controller-${networkType(pool)}`, address: pool.floating, ifname: null, interface_uuid: null },
      ...pool.controllers.map((address, index) => {
        const holder = interfaces.filter((one) => one.network === networkType(pool))[index]
        return {
          name: `controller-${index}-${networkType(pool)}`,
          address,
          ifname: holder?.ifname ?? null,
          interface_uuid: holder?.uuid ?? null,
        }
      }),
    ].map((address) => ({
      uuid: id('address', pool.name, address.name),
      ...address,
      prefix: pool.prefix,
      pool_uuid: pool.uuid,
      enable_dad: pool.family === 6,
    })),
  )

  return {
    iinterfaces: interfaces.map(({ network, ...shown }) => ({ ...shown, networks: [network] })),
    interface_networks: interfaces.map((one) => ({
      uuid: id('interface-network', one.uuid),
      interface_uuid: one.uuid,
      ifname: one.ifname,
      network_name: one.network,
      network_uuid: id('network', one.network),
      ihost_uuid: one.ihost_uuid,
    })),
    addresses,
    networks: pools.map((pool) => ({
      uuid: id('network', networkType(pool)),
      name: networkType(pool),
      type: networkType(pool),
      dynamic: pool.name === 'management',
      primary_pool_family: `IPv${pool.family}`,
      pool_uuid: pool.uuid,
      created_at,
    })),
    addrpools: pools.map((pool) => ({
      uuid: pool.uuid,
      name: pool.name,
      network: pool.network,
      prefix: pool.prefix,
      family: pool.family,
      order: 'random',
      ranges: [[pool.start, pool.end]],
      floating_address: pool.floating,
      gateway_address: pool.gateway,
      controller0_address: pool.controllers[0] ?? null,
      controller1_address: pool.controllers[1] ?? null,
      created_at,
    })),
    iextoams: pools
      .filter((pool) => pool.name === 'oam')
      .map((pool) => ({
        uuid: id('iextoam'),
        isystem_uuid: system.uuid,
        oam_subnet: `${pool.network}/${pool.prefix}`,
        oam_gateway_ip: pool.gateway,
        oam_floating_ip: pool.floating,
        oam_c0_ip: pool.controllers[0] ?? null,
        oam_c1_ip: pool.controllers[1] ?? null,
        oam_start_ip: pool.start,
        oam_end_ip: pool.end,
        region_config: false,
        created_at,
      })),
  }
}
