"""Real microcontrollers to audit for: what they have, each with the document in which its figures were read.

That is the maker's own document where one was at hand; otherwise a project that builds for the part (avr-libc, Zephyr,
RIOT, PlatformIO) and has them from the maker. The part's current data sheet has the last word.

RAM is on-chip data memory, without caches; flash is on-chip program memory, or FRAM, or the flash of the usual board
where the chip has none (RP2040, RP2350), or in the package (ESP32-C3FH4). Saturating instructions are those of the CPU
core, not of accelerators beside it. Of Arm's cores ARMv6-M has none; "SSAT": ARMv7-M has SSAT and USAT; "SSAT+DSP": the
DSP extension adds QADD, QADD16, SMLAD and the like (Arm DDI 0403 and DDI 0553). A Cortex-M33 has that where its maker
chose it: read for STM32H503RB, not checked for STM32H563ZI and RP2350.
"""

from __future__ import annotations

from dataclasses import dataclass

from pocketnn.errors import UsageError

__all__ = ["MCUS", "Mcu", "find_mcu"]

_NONE, _SSAT, _DSP = "none", "SSAT", "SSAT+DSP"


@dataclass(frozen=True, slots=True)
class Mcu:
    """One part. register: bits of a CPU register. flash, ram: bytes. source: where the figures were read."""

    name: str
    core: str
    register: int
    flash: int
    ram: int
    saturating: str
    source: str


def _mcu(name: str, core: str, register: int, flash: float, ram: float, saturating: str, source: str) -> Mcu:
    """A row with its memories in KiB."""
    return Mcu(name, core, register, int(flash * 1024), int(ram * 1024), saturating, source)


MCUS = (
    _mcu("ATtiny85", "AVR", 8, 8, 0.5, _NONE, "avr-libc 2.0.0, iotn85.h"),
    _mcu("ATmega328P", "AVR", 8, 32, 2, _NONE, "Microchip ATmega328P datasheet"),
    _mcu("ATmega1284P", "AVR", 8, 128, 16, _NONE, "avr-libc 2.0.0, iom1284p.h"),
    _mcu("ATmega2560", "AVR", 8, 256, 8, _NONE, "avr-libc 2.0.0, iom2560.h"),
    _mcu("STM8S208RB", "STM8", 8, 128, 6, _NONE, "PlatformIO, nucleo_8s208rb"),
    _mcu("MSP430G2553", "MSP430", 16, 16, 0.5, _NONE, "TI product list, MSP430G2553-Q1"),
    _mcu("MSP430FR5994", "MSP430X", 16, 256, 8, _NONE, "TI SLASE54D; FRAM; LEA shares RAM"),
    _mcu("STM32F030R8", "Cortex-M0", 32, 64, 8, _NONE, "RIOT, nucleo-f030r8"),
    _mcu("STM32L053R8", "Cortex-M0+", 32, 64, 8, _NONE, "RIOT, nucleo-l053r8"),
    _mcu("STM32G071RB", "Cortex-M0+", 32, 128, 36, _NONE, "RIOT, nucleo-g071rb"),
    _mcu("nRF51822", "Cortex-M0", 32, 256, 16, _NONE, "Zephyr, nrf51822_qfaa.dtsi"),
    _mcu("ATSAMD21G18", "Cortex-M0+", 32, 256, 32, _NONE, "Microchip SAM D21 datasheet, ch. 2"),
    _mcu("RP2040", "Cortex-M0+", 32, 2048, 264, _NONE, "Pico product brief; Pico's flash"),
    _mcu("STM32F103C8", "Cortex-M3", 32, 64, 20, _SSAT, "ST DocID13587 Rev 17"),
    _mcu("STM32F405RG", "Cortex-M4F", 32, 1024, 192, _DSP, "Zephyr, feather_stm32f405 (64 CCM)"),
    _mcu("STM32F411RE", "Cortex-M4F", 32, 512, 128, _DSP, "Zephyr, nucleo_f411re"),
    _mcu("nRF52840", "Cortex-M4F", 32, 1024, 256, _DSP, "PlatformIO, nrf52840_dk"),
    _mcu("STM32H503RB", "Cortex-M33", 32, 128, 32, _DSP, "Zephyr, nucleo_h503rb"),
    _mcu("STM32H563ZI", "Cortex-M33", 32, 2048, 640, _DSP, "ST UM3115 Rev 3"),
    _mcu("RP2350", "Cortex-M33", 32, 4096, 520, _DSP, "Zephyr, rpi_pico2; Pico 2's flash"),
    _mcu("CH32V003F4", "RV32EC", 32, 16, 2, _NONE, "WCH openwch/ch32v003, README"),
    _mcu("GD32VF103CB", "RV32IMAC", 32, 128, 32, _NONE, "Zephyr, gd32vf103c_starter"),
    _mcu("ESP32-C3", "RV32IMC", 32, 4096, 384, _NONE, "Espressif datasheet v2.0; Zephyr"),
)


def find_mcu(name: str) -> Mcu:
    """The part of that name, in any case. Raises UsageError if the table has none."""
    for mcu in MCUS:
        if mcu.name.lower() == name.lower():
            return mcu
    raise UsageError(f"no microcontroller {name!r}; there are {', '.join(mcu.name for mcu in MCUS)}")
