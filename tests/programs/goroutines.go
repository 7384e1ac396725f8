// Four goroutines compute, each on its own and then on what they share; garbage is collected meanwhile. The sums are
// checked, and the order in which the goroutines came is printed.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const workers, blocks = 4, 60

type tree struct {
	left, right *tree
	key         uint32
}

func (t *tree) insert(key uint32) *tree {
	if t == nil {
		return &tree{key: key}
	}
	if key < t.key {
		t.left = t.left.insert(key)
	} else {
		t.right = t.right.insert(key)
	}
	return t
}

func (t *tree) sum() uint64 {
	if t == nil {
		return 0
	}
	return uint64(t.key) + t.left.sum() + t.right.sum()
}

func main() {
	runtime.GOMAXPROCS(workers)
	began := time.Now()
	var group sync.WaitGroup
	var mutex sync.Mutex
	var order []int
	var steps atomic.Uint64
	var want, got atomic.Uint64
	results := make(chan int)
	for worker := 0; worker < workers; worker++ {
		group.Add(1)
		go func(worker int) {
			defer group.Done()
			random := uint32(worker*2654435761 + 1)
			for block := 0; block < blocks; block++ {
				var root *tree
				for i := 0; i < 1500; i++ {
					random = random*1664525 + 1013904223
					root = root.insert(random)
					want.Add(uint64(random))
				}
				got.Add(root.sum())
				// Nothing but registers: only a signal can take the processor from it.
				for i := 0; i < 500_000; i++ {
					random ^= random << 13
					random ^= random >> 17
					random ^= random << 5
				}
				steps.Add(1)
				mutex.Lock()
				order = append(order, worker)
				mutex.Unlock()
			}
			results <- worker
		}(worker)
	}
	var ended []int
	for range [workers]struct{}{} {
		ended = append(ended, <-results)
	}
	group.Wait()
	if steps.Load() != workers*blocks || got.Load() != want.Load() || len(order) != workers*blocks {
		fmt.Println("wrong:", steps.Load(), got.Load(), want.Load(), len(order))
		os.Exit(1)
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	fmt.Println(order)
	fmt.Println("ended as", ended, "in", time.Since(began), "with", memory.NumGC, "collections and", memory.Mallocs, "allocations")
}
