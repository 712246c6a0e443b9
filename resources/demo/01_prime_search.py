#!/usr/bin/env python3
# Demo 1 of 8: counts twin primes, block by block. Keeps one core busy for about ten seconds.
# tidegate: name="prime search" cpus=1 mem=100M label=demo
"""Counts the prime numbers and the prime twins below forty million with a sieve that looks at one block at a time."""

LIMIT = 40_000_000
BLOCK = 500_000


def small_primes(limit):
    sieve = bytearray([1]) * (limit + 1)
    sieve[:2] = b"\0\0"
    for number in range(2, int(limit**0.5) + 1):
        if sieve[number]:
            sieve[number * number :: number] = bytes(len(range(number * number, limit + 1, number)))
    return [number for number in range(limit + 1) if sieve[number]]


def primes_in_block(start, end, divisors):
    sieve = bytearray([1]) * (end - start)
    for prime in divisors:
        if prime * prime >= end:
            break
        first = max(prime * prime, -(-start // prime) * prime) - start
        sieve[first::prime] = bytes(len(range(first, end - start, prime)))
    return (start + offset for offset, is_prime in enumerate(sieve) if is_prime and start + offset > 1)


def main():
    divisors = small_primes(int(LIMIT**0.5) + 1)
    primes = twins = previous = digit_sum = 0
    for start in range(0, LIMIT, BLOCK):
        for prime in primes_in_block(start, min(start + BLOCK, LIMIT), divisors):
            primes += 1
            twins += prime - previous == 2
            digit_sum += sum(map(int, str(prime)))
            previous = prime
        done = min(start + BLOCK, LIMIT)
        if done % (LIMIT // 10) == 0:
            print(f"{100 * done // LIMIT:3d} %  {primes:>9,} primes, {twins:>7,} twins", flush=True)
    print(f"Below {LIMIT:,}: {primes:,} primes, {twins:,} twins, digits add up to {digit_sum:,}.")


if __name__ == "__main__":
    main()
