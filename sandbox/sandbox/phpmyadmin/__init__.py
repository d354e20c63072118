"""A simulated phpMyAdmin: its pages, forms and exports, before a database that behaves like MariaDB or MySQL."""
