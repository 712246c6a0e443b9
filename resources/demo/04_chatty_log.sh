#!/bin/sh
# Demo 4 of 8: talks a lot. It follows a simulation and writes every step, about 20 MB in all.
# tidegate: name="chatty log" label=demo
set -eu

part=1
while [ "$part" -le 5 ]; do
    echo "--- part $part of 5: following 50,000 steps of a bouncing ball ---"
    awk -v part="$part" 'BEGIN {
        height = 10 * part; speed = 0
        for (step = 1; step <= 50000; step++) {
            speed -= 0.00981; height += speed * 0.001
            if (height < 0) { height = -height; speed = -speed * 0.98 }
            printf "part %d  step %6d  height %12.6f m  speed %12.6f m/s  energy %12.6f J\n", \
                part, step, height, speed, 9.81 * height + speed * speed / 2
        }
    }'
    sleep 1
    part=$((part + 1))
done
echo "All five parts are done; the viewer shows head and tail, and the log never fills the disk."
