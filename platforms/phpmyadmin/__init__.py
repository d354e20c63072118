"""phpMyAdmin: tables of a MySQL or MariaDB that only a phpMyAdmin can reach. What more than one service must know."""
