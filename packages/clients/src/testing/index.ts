/** For services: another system controller as stock software answers, in this process. */
export { createStockPeer, formParts, type StockPeer, type StockPeerOptions, type StockSubcloud } from './stock-peer.ts'
