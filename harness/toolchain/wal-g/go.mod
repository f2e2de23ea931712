module clonedrill.invalid/wal-g

go 1.24

require github.com/wal-g/wal-g v1.1.3-rc-with-build
