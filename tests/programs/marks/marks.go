// Makes each kind of mark, about bytes that differ from run to run.
package main

import (
	"crypto/sha256"
	"fmt"
	"net/url"
	"os"
	"time"
)

func mark(kind string, words ...string) {
	path := "/.reenact/mark/" + kind
	for _, word := range words {
		path += "/" + url.PathEscape(word)
	}
	os.Stat(path)
}

func sum(bytes string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(bytes)))
}

func main() {
	mark("phase", "load")
	now := fmt.Sprintf("%d in process %d", time.Now().UnixNano(), os.Getpid())
	mark("note", "hello, 50% of it: é")
	mark("checksum", "users/all", sum("id 1, id 2\n"))
	mark("checksum", "now", sum(now))
	fmt.Println(now)
}
