import { testLifecycle } from './lifecycle/suite.ts'

testLifecycle('embedded')
