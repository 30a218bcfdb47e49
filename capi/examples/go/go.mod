module ringmain.example/consumer

go 1.19
