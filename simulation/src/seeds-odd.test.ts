import { testEverySecondSeed } from './seeds.ts'

testEverySecondSeed(1)
