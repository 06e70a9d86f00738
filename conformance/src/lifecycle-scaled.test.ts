import { testLifecycle } from './lifecycle/suite.ts'

testLifecycle('scaled')
